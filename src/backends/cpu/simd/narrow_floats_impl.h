// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels of narrow_floats.h for every vector type V, and what other kernels use of them.

#include "backends/cpu/simd/narrow_floats.h"
#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// One vector from and to V::kWidth elements: widen(p, &v), narrow(v, p).
struct BFloat16Format {
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x1* v) {
    v->v = bits_float(static_cast<int32_t>(static_cast<uint32_t>(*p) << 16));
  }
  // To nearest even; a NaN keeps a quiet payload instead of rounding to infinity.
  PENSTOCK_SIMD_INLINE static void narrow(F32x1 v, uint16_t* p) {
    const auto u = static_cast<uint32_t>(float_bits(v.v));
    const bool is_nan = (u & 0x7fffffffu) > 0x7f800000u;
    *p = static_cast<uint16_t>(is_nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
#if defined(__AVX2__)
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x8* v) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    v->v = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  PENSTOCK_SIMD_INLINE static void narrow(F32x8 v, uint16_t* p) {
    const __m256i u = _mm256_castps_si256(v.v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v.v, v.v, _CMP_UNORD_Q));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, nan), 16);
    // Packing works on each half of a register.
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(high, high), 0x08);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
  }
#endif
#if defined(__AVX512F__)
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x16* v) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m512i wide = _mm512_maskz_cvtepu16_epi32(F32x16::kAll, x);
    v->v = _mm512_castsi512_ps(_mm512_maskz_slli_epi32(F32x16::kAll, wide, 16));
  }
  PENSTOCK_SIMD_INLINE static void narrow(F32x16 v, uint16_t* p) {
    constexpr __mmask16 kAll = F32x16::kAll;
    const __m512i u = _mm512_castps_si512(v.v);
    const __m512i odd =
        _mm512_and_si512(_mm512_maskz_srli_epi32(kAll, u, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(u, _mm512_set1_epi32(0x400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(v.v, v.v, _CMP_UNORD_Q);
    const __m512i rounded = _mm512_mask_blend_epi32(nan, up, quiet);
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(p),
        _mm512_maskz_cvtepi32_epi16(kAll, _mm512_maskz_srli_epi32(kAll, rounded, 16)));
  }
#endif
};

struct Float16Format {
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x1* v) {
    const uint32_t sign = static_cast<uint32_t>(*p & 0x8000u) << 16;
    const uint32_t exponent = (*p >> 10) & 0x1fu;
    const uint32_t fraction = *p & 0x3ffu;
    uint32_t bits = sign | ((exponent + 112) << 23) | (fraction << 13);
    if (exponent == 31) bits = sign | 0x7f800000u | (fraction << 13);
    if (exponent == 0) {
      const float subnormal = static_cast<float>(fraction) * 0x1p-24f;
      bits = sign | static_cast<uint32_t>(float_bits(subnormal));
    }
    v->v = bits_float(static_cast<int32_t>(bits));
  }
  PENSTOCK_SIMD_INLINE static void narrow(F32x1 v, uint16_t* p) {
    const auto u = static_cast<uint32_t>(float_bits(v.v));
    const uint32_t sign = (u >> 16) & 0x8000u;
    const uint32_t magnitude = u & 0x7fffffffu;
    uint32_t bits = 0;
    if (magnitude > 0x7f800000u) {
      bits = 0x7e00u;
    } else if (magnitude >= 0x47800000u) {  // 65536 and above, infinity
      bits = 0x7c00u;
    } else if (magnitude < 0x38800000u) {  // subnormal: the addition rounds
      const float scaled = bits_float(static_cast<int32_t>(magnitude)) + 0.5f;
      bits = static_cast<uint32_t>(float_bits(scaled)) - 0x3f000000u;
    } else {
      bits = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
    }
    *p = static_cast<uint16_t>(sign | bits);
  }
#if defined(__AVX2__)
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x8* v) {
    v->v = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  PENSTOCK_SIMD_INLINE static void narrow(F32x8 v, uint16_t* p) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(v.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
#endif
#if defined(__AVX512F__)
  PENSTOCK_SIMD_INLINE static void widen(const uint16_t* p, F32x16* v) {
    v->v = _mm512_maskz_cvtph_ps(F32x16::kAll,
                                 _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  PENSTOCK_SIMD_INLINE static void narrow(F32x16 v, uint16_t* p) {
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(p),
        _mm512_maskz_cvtps_ph(F32x16::kAll, v.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
#endif
};

// fn(format) with the format of a type.
template <typename F>
PENSTOCK_SIMD_INLINE void with_format(NarrowFloat type, F fn) {
  if (type == NarrowFloat::kFloat16) return fn(Float16Format());
  fn(BFloat16Format());
}

template <typename V, typename Format>
PENSTOCK_SIMD_INLINE void widen_row(Format, const uint16_t* x, float* y, int64_t n) {
  constexpr int kWidth = V::kWidth;
  V v;
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    Format::widen(x + i, &v);
    v.store(y + i);
  }
  if constexpr (kWidth > 1) {
    if (i >= n) return;
    uint16_t last[kWidth] = {};
    __builtin_memcpy(last, x + i, static_cast<size_t>(n - i) * sizeof(uint16_t));
    Format::widen(last, &v);
    v.store_partial(y + i, n - i);
  }
}

// `step` is V::kWidth, or 0 where one vector of equal lanes stands for all.
template <typename V, typename Format>
PENSTOCK_SIMD_INLINE void narrow_row(Format, const float* x, int64_t step, uint16_t* y, int64_t n) {
  constexpr int kWidth = V::kWidth;
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth, x += step) Format::narrow(V::load(x), y + i);
  if constexpr (kWidth > 1) {
    if (i >= n) return;
    uint16_t last[kWidth];
    Format::narrow(step == 0 ? V::load(x) : V::load_partial(x, n - i), last);
    __builtin_memcpy(y + i, last, static_cast<size_t>(n - i) * sizeof(uint16_t));
  }
}

template <typename V>
void widen_narrow_floats(NarrowFloat type, const uint16_t* x, float* y, int64_t n) {
  with_format(type, [&](auto format) { widen_row<V>(format, x, y, n); });
}

template <typename V>
void narrow_to_narrow_floats(NarrowFloat type, const float* x, uint16_t* y, int64_t n) {
  with_format(type, [&](auto format) { narrow_row<V>(format, x, V::kWidth, y, n); });
}

template <typename V>
constexpr NarrowFloatKernels narrow_float_kernel_table() {
  return {widen_narrow_floats<V>, narrow_to_narrow_floats<V>};
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
