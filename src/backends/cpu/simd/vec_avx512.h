// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// F32x16, for AVX-512 F, BW, DQ and VL. Include vec.h, which states the interface.
//
// Some intrinsics appear in their zero-masked form with a full mask: the plain forms of g++ 12 read
// an undefined register and warn (GCC bug 105593); the code that comes out is the same.

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

struct F32x16 {
  static constexpr int kWidth = 16;
  struct Mask {
    __mmask16 m;
  };
  static constexpr __mmask16 kAll = 0xffff;

  __m512 v;

  PENSTOCK_SIMD_INLINE static __mmask16 lanes_below(int64_t n) {
    return static_cast<__mmask16>((1u << n) - 1u);
  }
  PENSTOCK_SIMD_INLINE static F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  PENSTOCK_SIMD_INLINE static F32x16 load_partial(const float* p, int64_t n) {
    return {_mm512_maskz_loadu_ps(lanes_below(n), p)};
  }
  PENSTOCK_SIMD_INLINE static Mask first_lanes(int64_t n) { return {lanes_below(n)}; }
  PENSTOCK_SIMD_INLINE static F32x16 broadcast(float s) { return {_mm512_set1_ps(s)}; }
  PENSTOCK_SIMD_INLINE static F32x16 zero() { return {_mm512_setzero_ps()}; }
  PENSTOCK_SIMD_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  PENSTOCK_SIMD_INLINE void store_partial(float* p, int64_t n) const {
    _mm512_mask_storeu_ps(p, lanes_below(n), v);
  }
};

PENSTOCK_SIMD_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
PENSTOCK_SIMD_INLINE F32x16 operator-(F32x16 a) {
  return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))};
}
PENSTOCK_SIMD_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
PENSTOCK_SIMD_INLINE F32x16 fnma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
PENSTOCK_SIMD_INLINE F32x16 min(F32x16 a, F32x16 b) {
  return {_mm512_maskz_min_ps(F32x16::kAll, a.v, b.v)};
}
PENSTOCK_SIMD_INLINE F32x16 max(F32x16 a, F32x16 b) {
  return {_mm512_maskz_max_ps(F32x16::kAll, a.v, b.v)};
}
PENSTOCK_SIMD_INLINE F32x16 abs(F32x16 a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
PENSTOCK_SIMD_INLINE F32x16 copy_sign(F32x16 a, F32x16 s) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, a.v), _mm512_and_ps(sign, s.v))};
}
PENSTOCK_SIMD_INLINE F32x16 sqrt(F32x16 a) { return {_mm512_maskz_sqrt_ps(F32x16::kAll, a.v)}; }
template <int kMode>
PENSTOCK_SIMD_INLINE F32x16 round_with_mode(F32x16 a) {
  return {_mm512_maskz_roundscale_ps(F32x16::kAll, a.v, kMode | _MM_FROUND_NO_EXC)};
}
PENSTOCK_SIMD_INLINE F32x16 round(F32x16 a) {
  return round_with_mode<_MM_FROUND_TO_NEAREST_INT>(a);
}
PENSTOCK_SIMD_INLINE F32x16 floor(F32x16 a) { return round_with_mode<_MM_FROUND_TO_NEG_INF>(a); }
PENSTOCK_SIMD_INLINE F32x16 ceil(F32x16 a) { return round_with_mode<_MM_FROUND_TO_POS_INF>(a); }

PENSTOCK_SIMD_INLINE F32x16::Mask cmp_lt(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask cmp_le(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask cmp_gt(F32x16 a, F32x16 b) { return cmp_lt(b, a); }
PENSTOCK_SIMD_INLINE F32x16::Mask cmp_ge(F32x16 a, F32x16 b) { return cmp_le(b, a); }
PENSTOCK_SIMD_INLINE F32x16::Mask cmp_eq(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask cmp_ne(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_NEQ_UQ)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask is_nan(F32x16 a) { return cmp_ne(a, a); }
PENSTOCK_SIMD_INLINE F32x16::Mask mask_and(F32x16::Mask a, F32x16::Mask b) {
  return {_kand_mask16(a.m, b.m)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask mask_or(F32x16::Mask a, F32x16::Mask b) {
  return {_kor_mask16(a.m, b.m)};
}
PENSTOCK_SIMD_INLINE F32x16::Mask mask_not(F32x16::Mask a) { return {_knot_mask16(a.m)}; }
PENSTOCK_SIMD_INLINE bool any(F32x16::Mask a) { return a.m != 0; }
PENSTOCK_SIMD_INLINE F32x16 select(F32x16::Mask m, F32x16 a, F32x16 b) {
  return {_mm512_mask_blend_ps(m.m, b.v, a.v)};
}

PENSTOCK_SIMD_INLINE F32x16 scale_by_pow2(F32x16 x, F32x16 n) {
  return {_mm512_maskz_scalef_ps(F32x16::kAll, x.v, n.v)};
}

PENSTOCK_SIMD_INLINE F32x16 split_pow2(F32x16 x, F32x16* m) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i exponent = _mm512_maskz_srai_epi32(
      F32x16::kAll, _mm512_sub_epi32(bits, _mm512_set1_epi32(kSqrtHalfBits)), 23);
  const __m512i shifted = _mm512_maskz_slli_epi32(F32x16::kAll, exponent, 23);
  m->v = _mm512_castsi512_ps(_mm512_sub_epi32(bits, shifted));
  return {_mm512_maskz_cvtepi32_ps(F32x16::kAll, exponent)};
}

PENSTOCK_SIMD_INLINE F32x8 low_half(F32x16 a) {
  return {_mm512_maskz_extractf32x8_ps(0xff, a.v, 0)};
}
PENSTOCK_SIMD_INLINE F32x8 high_half(F32x16 a) {
  return {_mm512_maskz_extractf32x8_ps(0xff, a.v, 1)};
}
PENSTOCK_SIMD_INLINE float reduce_add(F32x16 a) { return reduce_add(low_half(a) + high_half(a)); }
PENSTOCK_SIMD_INLINE float reduce_max(F32x16 a) {
  return reduce_max(max(low_half(a), high_half(a)));
}
PENSTOCK_SIMD_INLINE float reduce_min(F32x16 a) {
  return reduce_min(min(low_half(a), high_half(a)));
}
PENSTOCK_SIMD_INLINE float reduce_mul(F32x16 a) { return reduce_mul(low_half(a) * high_half(a)); }

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
