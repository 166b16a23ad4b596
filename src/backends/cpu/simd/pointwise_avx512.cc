// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/pointwise_impl.h"

namespace penstock::simd {

const PointwiseKernels& pointwise_kernels_avx512() {
  static constexpr PointwiseKernels kKernels = pointwise_kernel_table<F32x16>();
  return kKernels;
}

}  // namespace penstock::simd
