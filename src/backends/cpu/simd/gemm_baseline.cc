// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/gemm_impl.h"
#include "backends/cpu/simd/vec_quad.h"

namespace penstock::simd {

const GemmKernel kGemmBaseline{"gemm_f32_6x8_sse", "gemm_packed_b_f32_nr8", 6, 8,
                               &Gemm<F32x4, F32x1, 6, 2, 3>::run};

}  // namespace penstock::simd
