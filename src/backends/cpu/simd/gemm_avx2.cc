// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/gemm_impl.h"

namespace penstock::simd {

// 6 x 2 vectors of sums, two of B and one broadcast fill 15 of the 16 registers.
const GemmKernel kGemmAvx2{"gemm_f32_6x16_avx2", "gemm_packed_b_f32_nr16", 6, 16,
                           &Gemm<F32x8, F32x8, 6, 2, 3>::run};

}  // namespace penstock::simd
