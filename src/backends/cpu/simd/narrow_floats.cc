// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/narrow_floats.h"

namespace penstock::simd {

const NarrowFloatKernels& narrow_float_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512: return narrow_float_kernels_avx512();
    case Isa::kAvx2: return narrow_float_kernels_avx2();
#endif
    default: return narrow_float_kernels_baseline();
  }
}

}  // namespace penstock::simd
