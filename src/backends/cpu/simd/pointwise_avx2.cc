// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/pointwise_impl.h"

namespace penstock::simd {

const PointwiseKernels& pointwise_kernels_avx2() {
  static constexpr PointwiseKernels kKernels = pointwise_kernel_table<F32x8>();
  return kKernels;
}

}  // namespace penstock::simd
