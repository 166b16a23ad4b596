// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/gemm_impl.h"

namespace penstock::simd {

// 12 x 2 vectors of sums leave room for two of B and for broadcasts read ahead.
const GemmKernel kGemmAvx512{"gemm_f32_12x32_avx512", "gemm_packed_b_f32_nr32", 12, 32,
                             &Gemm<F32x16, F32x16, 12, 2, 4>::run};

}  // namespace penstock::simd
