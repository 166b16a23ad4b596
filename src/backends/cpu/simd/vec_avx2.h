// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// F32x8, for AVX2 with FMA. Include vec.h, which states the interface.

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

struct F32x8 {
  static constexpr int kWidth = 8;
  struct Mask {
    __m256 m;
  };

  __m256 v;

  // All bits set in lanes below n.
  PENSTOCK_SIMD_INLINE static __m256i lanes_below(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  PENSTOCK_SIMD_INLINE static F32x8 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  PENSTOCK_SIMD_INLINE static F32x8 load_partial(const float* p, int64_t n) {
    return {_mm256_maskload_ps(p, lanes_below(n))};
  }
  PENSTOCK_SIMD_INLINE static Mask first_lanes(int64_t n) {
    return {_mm256_castsi256_ps(lanes_below(n))};
  }
  PENSTOCK_SIMD_INLINE static F32x8 broadcast(float s) { return {_mm256_set1_ps(s)}; }
  PENSTOCK_SIMD_INLINE static F32x8 zero() { return {_mm256_setzero_ps()}; }
  PENSTOCK_SIMD_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  PENSTOCK_SIMD_INLINE void store_partial(float* p, int64_t n) const {
    _mm256_maskstore_ps(p, lanes_below(n), v);
  }
};

PENSTOCK_SIMD_INLINE F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 operator-(F32x8 a) {
  return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))};
}
PENSTOCK_SIMD_INLINE F32x8 fma(F32x8 a, F32x8 b, F32x8 c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
PENSTOCK_SIMD_INLINE F32x8 fnma(F32x8 a, F32x8 b, F32x8 c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
PENSTOCK_SIMD_INLINE F32x8 min(F32x8 a, F32x8 b) { return {_mm256_min_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 max(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x8 abs(F32x8 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
PENSTOCK_SIMD_INLINE F32x8 copy_sign(F32x8 a, F32x8 s) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign, a.v), _mm256_and_ps(sign, s.v))};
}
PENSTOCK_SIMD_INLINE F32x8 sqrt(F32x8 a) { return {_mm256_sqrt_ps(a.v)}; }
PENSTOCK_SIMD_INLINE F32x8 round(F32x8 a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
PENSTOCK_SIMD_INLINE F32x8 floor(F32x8 a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
PENSTOCK_SIMD_INLINE F32x8 ceil(F32x8 a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}

PENSTOCK_SIMD_INLINE F32x8::Mask cmp_lt(F32x8 a, F32x8 b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask cmp_le(F32x8 a, F32x8 b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask cmp_gt(F32x8 a, F32x8 b) { return cmp_lt(b, a); }
PENSTOCK_SIMD_INLINE F32x8::Mask cmp_ge(F32x8 a, F32x8 b) { return cmp_le(b, a); }
PENSTOCK_SIMD_INLINE F32x8::Mask cmp_eq(F32x8 a, F32x8 b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask cmp_ne(F32x8 a, F32x8 b) {
  return {_mm256_cmp_ps(a.v, b.v, _CMP_NEQ_UQ)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask is_nan(F32x8 a) { return cmp_ne(a, a); }
PENSTOCK_SIMD_INLINE F32x8::Mask mask_and(F32x8::Mask a, F32x8::Mask b) {
  return {_mm256_and_ps(a.m, b.m)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask mask_or(F32x8::Mask a, F32x8::Mask b) {
  return {_mm256_or_ps(a.m, b.m)};
}
PENSTOCK_SIMD_INLINE F32x8::Mask mask_not(F32x8::Mask a) {
  return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
PENSTOCK_SIMD_INLINE bool any(F32x8::Mask a) { return _mm256_movemask_ps(a.m) != 0; }
PENSTOCK_SIMD_INLINE F32x8 select(F32x8::Mask m, F32x8 a, F32x8 b) {
  return {_mm256_blendv_ps(b.v, a.v, m.m)};
}

PENSTOCK_SIMD_INLINE __m256 pow2_from_int(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// The two factors keep each power of two in range, and only the second product rounds.
// A NaN in n yields some number: callers carry the NaN in x.
PENSTOCK_SIMD_INLINE F32x8 scale_by_pow2(F32x8 x, F32x8 n) {
  const __m256i whole = _mm256_cvtps_epi32(n.v);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const __m256 scaled = _mm256_mul_ps(x.v, pow2_from_int(half));
  return {_mm256_mul_ps(scaled, pow2_from_int(_mm256_sub_epi32(whole, half)))};
}

PENSTOCK_SIMD_INLINE F32x8 split_pow2(F32x8 x, F32x8* m) {
  const __m256i bits = _mm256_castps_si256(x.v);
  const __m256i exponent =
      _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(kSqrtHalfBits)), 23);
  m->v = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23)));
  return {_mm256_cvtepi32_ps(exponent)};
}

// Folds 8 lanes to one with a commutative instruction, halves first.
template <typename Op>
PENSTOCK_SIMD_INLINE float fold_lanes(__m256 v, Op op) {
  __m128 half = op(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = op(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(op(half, _mm_movehdup_ps(half)));
}
PENSTOCK_SIMD_INLINE float reduce_add(F32x8 a) {
  return fold_lanes(a.v, [](__m128 x, __m128 y) { return _mm_add_ps(x, y); });
}
PENSTOCK_SIMD_INLINE float reduce_max(F32x8 a) {
  return fold_lanes(a.v, [](__m128 x, __m128 y) { return _mm_max_ps(x, y); });
}
PENSTOCK_SIMD_INLINE float reduce_min(F32x8 a) {
  return fold_lanes(a.v, [](__m128 x, __m128 y) { return _mm_min_ps(x, y); });
}
PENSTOCK_SIMD_INLINE float reduce_mul(F32x8 a) {
  return fold_lanes(a.v, [](__m128 x, __m128 y) { return _mm_mul_ps(x, y); });
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
