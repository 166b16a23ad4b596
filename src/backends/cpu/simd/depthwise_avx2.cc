// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/depthwise_impl.h"

namespace penstock::simd {

const DepthwiseKernel kDepthwiseAvx2{"depthwise_f32_c16x7_avx2", &Depthwise<F32x8, F32x8>::run};

}  // namespace penstock::simd
