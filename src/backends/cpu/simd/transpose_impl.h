// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Transposes of 32-bit matrices in square register tiles as wide as the vector type. The elements
// travel as floats, but only loads, shuffles and stores touch them, so every bit pattern survives.

#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// Transposes r[0..W) in place: element j of r[i] becomes element i of r[j]. Each stage swaps the
// off-diagonal blocks of twice the previous size: 1, 2, 4 (and 8) elements.
PENSTOCK_SIMD_INLINE void transpose_tile(F32x1*) {}

#if defined(__AVX2__)
PENSTOCK_SIMD_INLINE void transpose_tile(F32x8* r) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = _mm256_shuffle_ps(a[i + k], a[i + k + 2], 0x44);
      b[i + 2 * k + 1] = _mm256_shuffle_ps(a[i + k], a[i + k + 2], 0xee);
    }
  }
  for (int k = 0; k < 4; ++k) {
    r[k].v = _mm256_permute2f128_ps(b[k], b[k + 4], 0x20);
    r[k + 4].v = _mm256_permute2f128_ps(b[k], b[k + 4], 0x31);
  }
}
#endif

#if defined(__AVX512F__)
PENSTOCK_SIMD_INLINE void transpose_tile(F32x16* r) {
  constexpr __mmask16 kAll = F32x16::kAll;
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_maskz_unpacklo_ps(kAll, r[i].v, r[i + 1].v);
    a[i + 1] = _mm512_maskz_unpackhi_ps(kAll, r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = _mm512_maskz_shuffle_ps(kAll, a[i + k], a[i + k + 2], 0x44);
      b[i + 2 * k + 1] = _mm512_maskz_shuffle_ps(kAll, a[i + k], a[i + k + 2], 0xee);
    }
  }
  // b[4g + c] now holds column c + 4q of rows 4g .. 4g + 3 in its 128-bit quarter q.
  for (int c = 0; c < 4; ++c) {
    const __m512 low = _mm512_maskz_shuffle_f32x4(kAll, b[c], b[4 + c], 0x88);
    const __m512 high = _mm512_maskz_shuffle_f32x4(kAll, b[8 + c], b[12 + c], 0x88);
    const __m512 low_odd = _mm512_maskz_shuffle_f32x4(kAll, b[c], b[4 + c], 0xdd);
    const __m512 high_odd = _mm512_maskz_shuffle_f32x4(kAll, b[8 + c], b[12 + c], 0xdd);
    r[c].v = _mm512_maskz_shuffle_f32x4(kAll, low, high, 0x88);
    r[c + 4].v = _mm512_maskz_shuffle_f32x4(kAll, low_odd, high_odd, 0x88);
    r[c + 8].v = _mm512_maskz_shuffle_f32x4(kAll, low, high, 0xdd);
    r[c + 12].v = _mm512_maskz_shuffle_f32x4(kAll, low_odd, high_odd, 0xdd);
  }
}
#endif

// One tile of at most W x W elements.
template <typename V>
PENSTOCK_SIMD_INLINE void transpose_partial_tile(const float* x, int64_t x_ld, float* y,
                                                 int64_t y_ld, int64_t rows, int64_t cols) {
  V r[V::kWidth];
  for (int i = 0; i < V::kWidth; ++i) {
    r[i] = i < rows ? V::load_partial(x + i * x_ld, cols) : V::zero();
  }
  transpose_tile(r);
  for (int j = 0; j < V::kWidth; ++j) {
    if (j < cols) r[j].store_partial(y + j * y_ld, rows);
  }
}

template <typename V>
PENSTOCK_SIMD_INLINE void transpose_full_tile(const float* x, int64_t x_ld, float* y,
                                              int64_t y_ld) {
  V r[V::kWidth];
#pragma GCC unroll 16
  for (int i = 0; i < V::kWidth; ++i) r[i] = V::load(x + i * x_ld);
  transpose_tile(r);
#pragma GCC unroll 16
  for (int j = 0; j < V::kWidth; ++j) r[j].store(y + j * y_ld);
}

// Panels of W columns, walked down the rows: the stores of a panel then run along W rows of y,
// while the loads touch one cache line of each row of x.
template <typename V>
void transpose_32(const void* source, int64_t x_ld, void* target, int64_t y_ld, int64_t rows,
                  int64_t cols) {
  constexpr int64_t kWidth = V::kWidth;
  const float* x = static_cast<const float*>(source);
  float* y = static_cast<float*>(target);
  for (int64_t j = 0; j < cols; j += kWidth) {
    for (int64_t i = 0; i < rows; i += kWidth) {
      const float* from = x + i * x_ld + j;
      float* to = y + j * y_ld + i;
      if (i + kWidth <= rows && j + kWidth <= cols) {
        transpose_full_tile<V>(from, x_ld, to, y_ld);
      } else {
        const int64_t m = rows - i < kWidth ? rows - i : kWidth;
        const int64_t n = cols - j < kWidth ? cols - j : kWidth;
        transpose_partial_tile<V>(from, x_ld, to, y_ld, m, n);
      }
    }
  }
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
