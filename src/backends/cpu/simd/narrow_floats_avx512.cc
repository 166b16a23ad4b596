// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/narrow_floats_impl.h"

namespace penstock::simd {

const NarrowFloatKernels& narrow_float_kernels_avx512() {
  static constexpr NarrowFloatKernels kKernels = narrow_float_kernel_table<F32x16>();
  return kKernels;
}

}  // namespace penstock::simd
