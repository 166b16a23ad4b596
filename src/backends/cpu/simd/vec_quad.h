// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// F32x4 for the inner products of the baseline kernels: a part of vec.h's interface, by the
// compiler's generic vectors, so that machines other than x86 have it too. Vector math stays with
// F32x1 there.

#include <cstring>

#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

struct F32x4 {
  static constexpr int kWidth = 4;
  typedef float Lanes __attribute__((vector_size(16)));

  Lanes v;

  PENSTOCK_SIMD_INLINE static F32x4 load(const float* p) {
    F32x4 x;
    memcpy(&x.v, p, sizeof(x.v));
    return x;
  }
  PENSTOCK_SIMD_INLINE static F32x4 broadcast(float s) { return {Lanes{s, s, s, s}}; }
  PENSTOCK_SIMD_INLINE static F32x4 zero() { return broadcast(0.0f); }
  PENSTOCK_SIMD_INLINE void store(float* p) const { memcpy(p, &v, sizeof(v)); }
};

PENSTOCK_SIMD_INLINE F32x4 operator+(F32x4 a, F32x4 b) { return {a.v + b.v}; }
PENSTOCK_SIMD_INLINE F32x4 operator*(F32x4 a, F32x4 b) { return {a.v * b.v}; }
PENSTOCK_SIMD_INLINE F32x4 fma(F32x4 a, F32x4 b, F32x4 c) { return {a.v * b.v + c.v}; }

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
