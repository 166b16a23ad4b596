// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// F32x1, the one-lane vector. Include vec.h, which states the interface.

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

struct F32x1 {
  static constexpr int kWidth = 1;
  using Mask = bool;

  float v;

  PENSTOCK_SIMD_INLINE static F32x1 load(const float* p) { return {*p}; }
  PENSTOCK_SIMD_INLINE static F32x1 load_partial(const float* p, int64_t n) {
    return {n > 0 ? *p : 0.0f};
  }
  PENSTOCK_SIMD_INLINE static Mask first_lanes(int64_t n) { return n > 0; }
  PENSTOCK_SIMD_INLINE static F32x1 broadcast(float s) { return {s}; }
  PENSTOCK_SIMD_INLINE static F32x1 zero() { return {0.0f}; }
  PENSTOCK_SIMD_INLINE void store(float* p) const { *p = v; }
  PENSTOCK_SIMD_INLINE void store_partial(float* p, int64_t n) const {
    if (n > 0) *p = v;
  }
};

PENSTOCK_SIMD_INLINE int32_t float_bits(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}
PENSTOCK_SIMD_INLINE float bits_float(int32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

PENSTOCK_SIMD_INLINE F32x1 operator+(F32x1 a, F32x1 b) { return {a.v + b.v}; }
PENSTOCK_SIMD_INLINE F32x1 operator-(F32x1 a, F32x1 b) { return {a.v - b.v}; }
PENSTOCK_SIMD_INLINE F32x1 operator*(F32x1 a, F32x1 b) { return {a.v * b.v}; }
PENSTOCK_SIMD_INLINE F32x1 operator/(F32x1 a, F32x1 b) { return {a.v / b.v}; }
PENSTOCK_SIMD_INLINE F32x1 operator-(F32x1 a) { return {-a.v}; }
// Two roundings where the target has no FMA: libm's exact fmaf would cost a call for each lane.
PENSTOCK_SIMD_INLINE F32x1 fma(F32x1 a, F32x1 b, F32x1 c) { return {a.v * b.v + c.v}; }
PENSTOCK_SIMD_INLINE F32x1 fnma(F32x1 a, F32x1 b, F32x1 c) { return {c.v - a.v * b.v}; }
PENSTOCK_SIMD_INLINE F32x1 min(F32x1 a, F32x1 b) { return {a.v < b.v ? a.v : b.v}; }
PENSTOCK_SIMD_INLINE F32x1 max(F32x1 a, F32x1 b) { return {a.v > b.v ? a.v : b.v}; }
PENSTOCK_SIMD_INLINE F32x1 abs(F32x1 a) { return {__builtin_fabsf(a.v)}; }
PENSTOCK_SIMD_INLINE F32x1 copy_sign(F32x1 a, F32x1 s) { return {__builtin_copysignf(a.v, s.v)}; }

#if defined(__SSE4_1__)
PENSTOCK_SIMD_INLINE F32x1 sqrt(F32x1 a) { return {_mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(a.v)))}; }
template <int kMode>
PENSTOCK_SIMD_INLINE float round_with_mode(float x) {
  return _mm_cvtss_f32(_mm_round_ss(_mm_setzero_ps(), _mm_set_ss(x), kMode | _MM_FROUND_NO_EXC));
}
PENSTOCK_SIMD_INLINE F32x1 round(F32x1 a) {
  return {round_with_mode<_MM_FROUND_TO_NEAREST_INT>(a.v)};
}
PENSTOCK_SIMD_INLINE F32x1 floor(F32x1 a) { return {round_with_mode<_MM_FROUND_TO_NEG_INF>(a.v)}; }
PENSTOCK_SIMD_INLINE F32x1 ceil(F32x1 a) { return {round_with_mode<_MM_FROUND_TO_POS_INF>(a.v)}; }
#else
PENSTOCK_SIMD_INLINE F32x1 sqrt(F32x1 a) { return {::sqrtf(a.v)}; }
PENSTOCK_SIMD_INLINE F32x1 round(F32x1 a) { return {::nearbyintf(a.v)}; }
PENSTOCK_SIMD_INLINE F32x1 floor(F32x1 a) { return {::floorf(a.v)}; }
PENSTOCK_SIMD_INLINE F32x1 ceil(F32x1 a) { return {::ceilf(a.v)}; }
#endif

PENSTOCK_SIMD_INLINE bool cmp_lt(F32x1 a, F32x1 b) { return a.v < b.v; }
PENSTOCK_SIMD_INLINE bool cmp_le(F32x1 a, F32x1 b) { return a.v <= b.v; }
PENSTOCK_SIMD_INLINE bool cmp_gt(F32x1 a, F32x1 b) { return a.v > b.v; }
PENSTOCK_SIMD_INLINE bool cmp_ge(F32x1 a, F32x1 b) { return a.v >= b.v; }
PENSTOCK_SIMD_INLINE bool cmp_eq(F32x1 a, F32x1 b) { return a.v == b.v; }
PENSTOCK_SIMD_INLINE bool cmp_ne(F32x1 a, F32x1 b) { return a.v != b.v; }
PENSTOCK_SIMD_INLINE bool is_nan(F32x1 a) { return a.v != a.v; }
PENSTOCK_SIMD_INLINE bool mask_and(bool a, bool b) { return a && b; }
PENSTOCK_SIMD_INLINE bool mask_or(bool a, bool b) { return a || b; }
PENSTOCK_SIMD_INLINE bool mask_not(bool a) { return !a; }
PENSTOCK_SIMD_INLINE bool any(bool a) { return a; }
PENSTOCK_SIMD_INLINE F32x1 select(bool m, F32x1 a, F32x1 b) { return m ? a : b; }

// The two factors keep each power of two in range, and only the second product rounds.
PENSTOCK_SIMD_INLINE F32x1 scale_by_pow2(F32x1 x, F32x1 n) {
  if (n.v != n.v) return n;  // the conversion below would be undefined
  const int32_t whole = static_cast<int32_t>(n.v);
  const int32_t half = whole >> 1;
  return {x.v * bits_float((half + 127) << 23) * bits_float((whole - half + 127) << 23)};
}

constexpr int32_t kSqrtHalfBits = 0x3f3504f3;

// In unsigned arithmetic: callers discard what negative numbers give, but it must be defined.
PENSTOCK_SIMD_INLINE F32x1 split_pow2(F32x1 x, F32x1* m) {
  const uint32_t bits = static_cast<uint32_t>(float_bits(x.v));
  const int32_t exponent = static_cast<int32_t>(bits - kSqrtHalfBits) >> 23;
  m->v = bits_float(static_cast<int32_t>(bits - (static_cast<uint32_t>(exponent) << 23)));
  return {static_cast<float>(exponent)};
}

PENSTOCK_SIMD_INLINE float reduce_add(F32x1 a) { return a.v; }
PENSTOCK_SIMD_INLINE float reduce_max(F32x1 a) { return a.v; }
PENSTOCK_SIMD_INLINE float reduce_min(F32x1 a) { return a.v; }
PENSTOCK_SIMD_INLINE float reduce_mul(F32x1 a) { return a.v; }

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
