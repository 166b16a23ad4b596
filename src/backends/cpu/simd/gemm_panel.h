// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Writing one panel (k rows of nr floats, zeros past `cols`) from a plain or transposed matrix.

#include <cstdint>

#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// dst[p * nr + j] = src[p * ld + j]
template <typename V>
inline void copy_panel(const float* src, int64_t ld, int64_t cols, int64_t k, int nr, float* dst) {
  for (int64_t p = 0; p < k; ++p) {
    const float* from = src + p * ld;
    for (int64_t j = 0; j < nr; j += V::kWidth) {
      const int64_t left = cols - j;
      const V v =
          left >= V::kWidth ? V::load(from + j) : V::load_partial(from + j, left > 0 ? left : 0);
      v.store(dst + p * nr + j);
    }
  }
}

// dst[p * nr + j] = src[j * ld + p] for j in [0, 4), p in [0, 4)
PENSTOCK_SIMD_INLINE void transpose_4x4(const float* src, int64_t ld, int nr, float* dst) {
#if defined(__SSE4_1__)
  __m128 r0 = _mm_loadu_ps(src);
  __m128 r1 = _mm_loadu_ps(src + ld);
  __m128 r2 = _mm_loadu_ps(src + 2 * ld);
  __m128 r3 = _mm_loadu_ps(src + 3 * ld);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(dst, r0);
  _mm_storeu_ps(dst + nr, r1);
  _mm_storeu_ps(dst + 2 * nr, r2);
  _mm_storeu_ps(dst + 3 * nr, r3);
#else
  for (int p = 0; p < 4; ++p) {
    for (int j = 0; j < 4; ++j) dst[p * nr + j] = src[j * ld + p];
  }
#endif
}

// dst[p * nr + j] += src[j * ld + p] for j in [0, 4), p in [0, 4)
PENSTOCK_SIMD_INLINE void add_transposed_4x4(const float* src, int64_t ld, int nr, float* dst) {
#if defined(__SSE4_1__)
  __m128 r0 = _mm_loadu_ps(src);
  __m128 r1 = _mm_loadu_ps(src + ld);
  __m128 r2 = _mm_loadu_ps(src + 2 * ld);
  __m128 r3 = _mm_loadu_ps(src + 3 * ld);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(dst, _mm_add_ps(_mm_loadu_ps(dst), r0));
  _mm_storeu_ps(dst + nr, _mm_add_ps(_mm_loadu_ps(dst + nr), r1));
  _mm_storeu_ps(dst + 2 * nr, _mm_add_ps(_mm_loadu_ps(dst + 2 * nr), r2));
  _mm_storeu_ps(dst + 3 * nr, _mm_add_ps(_mm_loadu_ps(dst + 3 * nr), r3));
#else
  for (int p = 0; p < 4; ++p) {
    for (int j = 0; j < 4; ++j) dst[p * nr + j] += src[j * ld + p];
  }
#endif
}

// dst[p * nr + j] += src[j * ld + p] for j < cols, p < k
template <int kNr>
inline void add_transposed(const float* src, int64_t ld, int64_t cols, int64_t k, float* dst) {
  const int64_t whole_cols = cols / 4 * 4;
  const int64_t whole_k = k / 4 * 4;
  for (int64_t j = 0; j < whole_cols; j += 4) {
    for (int64_t p = 0; p < whole_k; p += 4) {
      add_transposed_4x4(src + j * ld + p, ld, kNr, dst + p * kNr + j);
    }
    for (int64_t p = whole_k; p < k; ++p) {
      for (int64_t q = j; q < j + 4; ++q) dst[p * kNr + q] += src[q * ld + p];
    }
  }
  for (int64_t j = whole_cols; j < cols; ++j) {
    for (int64_t p = 0; p < k; ++p) dst[p * kNr + j] += src[j * ld + p];
  }
}

// dst[p * nr + j] = j < cols ? src[j * ld + p] : 0; nr is a multiple of 4.
inline void transpose_panel(const float* src, int64_t ld, int64_t cols, int64_t k, int nr,
                            float* dst) {
  int64_t p = 0;
  for (; p + 4 <= k; p += 4) {
    int64_t j = 0;
    for (; j + 4 <= cols; j += 4) transpose_4x4(src + j * ld + p, ld, nr, dst + p * nr + j);
    for (int64_t q = p; q < p + 4; ++q) {
      for (int64_t rest = j; rest < nr; ++rest) {
        dst[q * nr + rest] = rest < cols ? src[rest * ld + q] : 0.0f;
      }
    }
  }
  for (; p < k; ++p) {
    for (int64_t j = 0; j < nr; ++j) dst[p * nr + j] = j < cols ? src[j * ld + p] : 0.0f;
  }
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
