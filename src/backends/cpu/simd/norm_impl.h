// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Softmax and normalization over rows, for every vector type V. See rows.h for the contracts.
//
// A row makes two or three passes: rows of a few thousand floats stay in the L1 cache, where a pass
// costs less than the arithmetic that an online formula would add.

#include "backends/cpu/simd/math.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// Calls body(i, count) for i = 0, W, 2W, ... with count = W and once with the rest. The body is
// inlined twice, with W a constant in the first.
template <typename V, typename Body>
PENSTOCK_SIMD_INLINE void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + V::kWidth <= n; i += V::kWidth) body(i, V::kWidth);
  if (i < n) body(i, static_cast<int>(n - i));
}

template <typename V>
PENSTOCK_SIMD_INLINE V load_n(const float* p, int n) {
  return n == V::kWidth ? V::load(p) : V::load_partial(p, n);
}
template <typename V>
PENSTOCK_SIMD_INLINE void store_n(V v, float* p, int n) {
  if (n == V::kWidth) {
    v.store(p);
  } else {
    v.store_partial(p, n);
  }
}
// Like load_n, with `fill` in the lanes past n.
template <typename V>
PENSTOCK_SIMD_INLINE V load_n_or(const float* p, int n, float fill) {
  if (n == V::kWidth) return V::load(p);
  return select(V::first_lanes(n), V::load_partial(p, n), V::broadcast(fill));
}

// Four accumulators: one addition takes three or four cycles, two can start in each.
template <typename V, typename Step, typename Fold>
PENSTOCK_SIMD_INLINE V accumulate(const float* x, int64_t n, float identity, Step step, Fold fold) {
  constexpr int kWidth = V::kWidth;
  const V start = V::broadcast(identity);
  V a0 = start, a1 = start, a2 = start, a3 = start;
  int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    a0 = step(a0, V::load(x + i));
    a1 = step(a1, V::load(x + i + kWidth));
    a2 = step(a2, V::load(x + i + 2 * kWidth));
    a3 = step(a3, V::load(x + i + 3 * kWidth));
  }
  for (; i + kWidth <= n; i += kWidth) a0 = step(a0, V::load(x + i));
  if (i < n) a1 = step(a1, load_n_or<V>(x + i, static_cast<int>(n - i), identity));
  return fold(fold(a0, a1), fold(a2, a3));
}

template <typename V>
PENSTOCK_SIMD_INLINE float row_sum(const float* x, int64_t n) {
  const auto add = [](V a, V b) { return a + b; };
  return reduce_add(accumulate<V>(x, n, 0.0f, add, add));
}
template <typename V>
PENSTOCK_SIMD_INLINE float row_sum_squares(const float* x, int64_t n) {
  const auto square = [](V a, V b) { return fma(b, b, a); };
  const auto add = [](V a, V b) { return a + b; };
  return reduce_add(accumulate<V>(x, n, 0.0f, square, add));
}
// Ignores NaN. The new element goes first: max keeps its second operand when either is NaN.
template <typename V>
PENSTOCK_SIMD_INLINE float row_max(const float* x, int64_t n) {
  const auto larger = [](V a, V b) { return max(b, a); };
  return reduce_max(accumulate<V>(x, n, -__builtin_inff(), larger, larger));
}

// y = scale * x + mask; returns the maximum.
template <typename V>
PENSTOCK_SIMD_INLINE float scale_and_mask(const float* x, float* y, int64_t n, float scale,
                                          const float* mask) {
  const V factor = V::broadcast(scale);
  const V lowest = V::broadcast(-__builtin_inff());
  V largest = lowest;
  for_each_vector<V>(n, [&](int64_t i, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
    V v = load_n<V>(x + i, count) * factor;
    if (mask != nullptr) v = v + load_n<V>(mask + i, count);
    store_n(v, y + i, count);
    if (count != V::kWidth) v = select(V::first_lanes(count), v, lowest);
    largest = max(v, largest);
  });
  return reduce_max(largest);
}

// y = exp(x - shift) and its sum. kStore is false for log_softmax, which needs the sum alone.
template <typename V, bool kStore>
PENSTOCK_SIMD_INLINE float exp_and_sum(const float* x, float* y, int64_t n, float shift) {
  constexpr int kWidth = V::kWidth;
  const V offset = V::broadcast(shift);
  V s0 = V::zero(), s1 = V::zero();
  int64_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    const V e0 = exp(V::load(x + i) - offset), e1 = exp(V::load(x + i + kWidth) - offset);
    if constexpr (kStore) {
      e0.store(y + i);
      e1.store(y + i + kWidth);
    }
    s0 = s0 + e0;
    s1 = s1 + e1;
  }
  for_each_vector<V>(n - i, [&](int64_t k, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
    const V e = exp(load_n_or<V>(x + i + k, count, -__builtin_inff()) - offset);
    if constexpr (kStore) store_n(e, y + i + k, count);
    s0 = s0 + e;
  });
  return reduce_add(s0 + s1);
}

template <typename V>
void softmax(const float* x, float* y, int64_t rows, int64_t cols, float scale, const float* mask,
             int64_t mask_stride) {
  const bool plain = mask == nullptr && scale == 1.0f;
  for (int64_t row = 0; row < rows; ++row, x += cols, y += cols) {
    const float* mask_row = mask == nullptr ? nullptr : mask + row * mask_stride;
    const float largest =
        plain ? row_max<V>(x, cols) : scale_and_mask<V>(x, y, cols, scale, mask_row);
    const float sum = exp_and_sum<V, true>(plain ? x : y, y, cols, largest);
    const V factor = V::broadcast(1.0f / sum);
    for_each_vector<V>(cols, [&](int64_t i, int n) PENSTOCK_SIMD_INLINE_LAMBDA {
      store_n(load_n<V>(y + i, n) * factor, y + i, n);
    });
  }
}

template <typename V>
void log_softmax(const float* x, float* y, int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row, x += cols, y += cols) {
    const float largest = row_max<V>(x, cols);
    const F32x1 sum{exp_and_sum<V, false>(x, nullptr, cols, largest)};
    const V shift = V::broadcast(largest), log_sum = V::broadcast(log(sum).v);
    // Two subtractions: largest + log_sum would round away small log_sum before it cancels.
    for_each_vector<V>(cols, [&](int64_t i, int n) PENSTOCK_SIMD_INLINE_LAMBDA {
      store_n(load_n<V>(x + i, n) - shift - log_sum, y + i, n);
    });
  }
}

template <typename V>
PENSTOCK_SIMD_INLINE float centred_sum_squares(const float* x, int64_t n, float mean) {
  const V centre = V::broadcast(mean);
  const auto square = [centre](V a, V b) {
    const V d = b - centre;
    return fma(d, d, a);
  };
  // Lanes past the row hold the mean and so add nothing; the accumulators start at 0 instead.
  const auto add = [](V a, V b) { return a + b; };
  const int64_t whole = n - n % V::kWidth;
  V total = accumulate<V>(x, whole, 0.0f, square, add);
  if (whole < n) total = square(total, load_n_or<V>(x + whole, static_cast<int>(n - whole), mean));
  return reduce_add(total);
}

// y = (x - mean) * factor * gamma + beta.
template <typename V>
PENSTOCK_SIMD_INLINE void normalize_row(const float* x, const float* gamma, const float* beta,
                                        float mean, float factor, float* y, int64_t n) {
  const V centre = V::broadcast(mean), scale = V::broadcast(factor);
  for_each_vector<V>(n, [&](int64_t i, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
    V v = (load_n<V>(x + i, count) - centre) * scale;
    if (gamma != nullptr) v = v * load_n<V>(gamma + i, count);
    if (beta != nullptr) v = v + load_n<V>(beta + i, count);
    store_n(v, y + i, count);
  });
}

template <typename V>
PENSTOCK_SIMD_INLINE void layer_norm_row(const float* x, const float* gamma, const float* beta,
                                         float epsilon, float* y, int64_t n) {
  const float mean = row_sum<V>(x, n) / static_cast<float>(n);
  const float variance = centred_sum_squares<V>(x, n, mean) / static_cast<float>(n);
  const float factor = 1.0f / sqrt(F32x1{variance + epsilon}).v;
  normalize_row<V>(x, gamma, beta, mean, factor, y, n);
}

template <typename V>
void layer_norm(const float* x, const float* gamma, const float* beta, float epsilon, float* y,
                int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row) {
    layer_norm_row<V>(x + row * cols, gamma, beta, epsilon, y + row * cols, cols);
  }
}

template <typename V>
void add_layer_norm(const float* x, const float* residual, const float* gamma, const float* beta,
                    float epsilon, float* sum, float* y, int64_t rows, int64_t cols) {
  for (int64_t start = 0; start < rows * cols; start += cols) {
    // Without a sum to keep, the row waits in y: it is read before it is overwritten.
    float* row = sum != nullptr ? sum + start : y + start;
    for_each_vector<V>(cols, [&](int64_t i, int n) PENSTOCK_SIMD_INLINE_LAMBDA {
      const V v = load_n<V>(x + start + i, n) + load_n<V>(residual + start + i, n);
      store_n(v, row + i, n);
    });
    layer_norm_row<V>(row, gamma, beta, epsilon, y + start, cols);
  }
}

template <typename V>
void rms_norm(const float* x, const float* gamma, float epsilon, float* y, int64_t rows,
              int64_t cols) {
  for (int64_t row = 0; row < rows; ++row, x += cols, y += cols) {
    const float mean_square = row_sum_squares<V>(x, cols) / static_cast<float>(cols);
    const V scale = V::broadcast(1.0f / sqrt(F32x1{mean_square + epsilon}).v);
    for_each_vector<V>(cols, [&](int64_t i, int n) PENSTOCK_SIMD_INLINE_LAMBDA {
      V v = load_n<V>(x + i, n) * scale;
      if (gamma != nullptr) v = v * load_n<V>(gamma + i, n);
      store_n(v, y + i, n);
    });
  }
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
