// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/depthwise_impl.h"

namespace penstock::simd {

const DepthwiseKernel kDepthwiseAvx512{"depthwise_f32_c16x7_avx512",
                                       &Depthwise<F32x16, F32x16>::run};

}  // namespace penstock::simd
