// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Rows of floats of 16 bits, which kernels that compute in float32 read and write.

#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

enum class NarrowFloat : uint8_t { kFloat16, kBFloat16 };

// Over n elements of any alignment, one thread.
struct NarrowFloatKernels {
  // y = x. Reads and writes exactly n elements.
  void (*widen)(NarrowFloat type, const uint16_t* x, float* y, int64_t n);
  // y = x rounded to the nearest, ties to even; beyond the range infinity; NaN stays NaN.
  void (*narrow)(NarrowFloat type, const float* x, uint16_t* y, int64_t n);
};

// The kernels of one level; isa must not exceed detect().
const NarrowFloatKernels& narrow_float_kernels(Isa isa = active());

// One table for each translation unit of kernels, for narrow_float_kernels.
const NarrowFloatKernels& narrow_float_kernels_baseline();
const NarrowFloatKernels& narrow_float_kernels_avx2();
const NarrowFloatKernels& narrow_float_kernels_avx512();

}  // namespace penstock::simd
