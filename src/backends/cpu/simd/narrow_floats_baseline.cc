// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/narrow_floats_impl.h"

namespace penstock::simd {

const NarrowFloatKernels& narrow_float_kernels_baseline() {
  static constexpr NarrowFloatKernels kKernels = narrow_float_kernel_table<F32x1>();
  return kKernels;
}

}  // namespace penstock::simd
