// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/depthwise_impl.h"
#include "backends/cpu/simd/vec_quad.h"

namespace penstock::simd {

const DepthwiseKernel kDepthwiseBaseline{"depthwise_f32_c16x7_baseline",
                                         &Depthwise<F32x4, F32x1>::run};

}  // namespace penstock::simd
