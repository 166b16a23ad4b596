// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/rows.h"

namespace penstock::simd {

const RowKernels& row_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512: return row_kernels_avx512();
    case Isa::kAvx2: return row_kernels_avx2();
#endif
    default: return row_kernels_baseline();
  }
}

}  // namespace penstock::simd
