// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/rows_impl.h"

namespace penstock::simd {

const RowKernels& row_kernels_avx2() {
  static constexpr RowKernels kKernels = row_kernel_table<F32x8>(Isa::kAvx2);
  return kKernels;
}

}  // namespace penstock::simd
