// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Reductions, transposes and gathers for every vector type V, and the table of rows.h.

#include "backends/cpu/simd/norm_impl.h"
#include "backends/cpu/simd/rows.h"
#include "backends/cpu/simd/transpose_impl.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// What a reduction does with one more element (step) and with two partial results (fold).
struct SumRule {
  static constexpr float kIdentity = 0.0f;
  static constexpr bool kAdds = true;
  template <typename V>
  PENSTOCK_SIMD_INLINE static V step(V acc, V x) {
    return acc + x;
  }
  template <typename V>
  PENSTOCK_SIMD_INLINE static V fold(V a, V b) {
    return a + b;
  }
};
struct SumSquaresRule : SumRule {
  template <typename V>
  PENSTOCK_SIMD_INLINE static V step(V acc, V x) {
    return fma(x, x, acc);
  }
};
struct MaxRule {
  static constexpr float kIdentity = -__builtin_inff();
  static constexpr bool kAdds = false;
  template <typename V>
  PENSTOCK_SIMD_INLINE static V step(V acc, V x) {
    return nan_max(acc, x);
  }
  template <typename V>
  PENSTOCK_SIMD_INLINE static V fold(V a, V b) {
    return nan_max(a, b);
  }
};
struct MinRule {
  static constexpr float kIdentity = __builtin_inff();
  static constexpr bool kAdds = false;
  template <typename V>
  PENSTOCK_SIMD_INLINE static V step(V acc, V x) {
    return nan_min(acc, x);
  }
  template <typename V>
  PENSTOCK_SIMD_INLINE static V fold(V a, V b) {
    return nan_min(a, b);
  }
};
struct ProdRule {
  static constexpr float kIdentity = 1.0f;
  static constexpr bool kAdds = false;
  template <typename V>
  PENSTOCK_SIMD_INLINE static V step(V acc, V x) {
    return acc * x;
  }
  template <typename V>
  PENSTOCK_SIMD_INLINE static V fold(V a, V b) {
    return a * b;
  }
};

// One lane from all, keeping NaN: once in a row, so its speed matters little.
template <typename Rule, typename V>
PENSTOCK_SIMD_INLINE float fold_all(V v) {
  float lanes[V::kWidth];
  v.store(lanes);
  F32x1 total{lanes[0]};
  for (int i = 1; i < V::kWidth; ++i) total = Rule::fold(total, F32x1{lanes[i]});
  return total.v;
}

template <typename V, typename Rule>
PENSTOCK_SIMD_INLINE float reduce_span(const float* x, int64_t n) {
  const V all = accumulate<V>(
      x, n, Rule::kIdentity, [](V a, V b) { return Rule::step(a, b); },
      [](V a, V b) { return Rule::fold(a, b); });
  return fold_all<Rule>(all);
}

// Sums of long rows go through a double every kSpan elements, so that the error stays that of a
// short row.
template <typename V, typename Rule>
float reduce_row(const float* x, int64_t n) {
  constexpr int64_t kSpan = 4096;
  if (!Rule::kAdds || n <= kSpan) return reduce_span<V, Rule>(x, n);
  double total = 0.0;
  for (int64_t i = 0; i < n; i += kSpan) {
    total += reduce_span<V, Rule>(x + i, n - i < kSpan ? n - i : kSpan);
  }
  return static_cast<float>(total);
}

template <typename V, typename Rule>
void reduce_rows_by(const float* x, float* y, int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row) y[row] = reduce_row<V, Rule>(x + row * cols, cols);
}

PENSTOCK_SIMD_INLINE void divide(float* y, int64_t n, int64_t count) {
  for (int64_t i = 0; i < n; ++i) y[i] /= static_cast<float>(count);
}

template <typename V>
void reduce_rows(ReduceOp op, const float* x, float* y, int64_t rows, int64_t cols) {
  switch (op) {
    case ReduceOp::kSum: return reduce_rows_by<V, SumRule>(x, y, rows, cols);
    case ReduceOp::kMean:
      reduce_rows_by<V, SumRule>(x, y, rows, cols);
      return divide(y, rows, cols);
    case ReduceOp::kSumSquares: return reduce_rows_by<V, SumSquaresRule>(x, y, rows, cols);
    case ReduceOp::kMax: return reduce_rows_by<V, MaxRule>(x, y, rows, cols);
    case ReduceOp::kMin: return reduce_rows_by<V, MinRule>(x, y, rows, cols);
    case ReduceOp::kProd: return reduce_rows_by<V, ProdRule>(x, y, rows, cols);
  }
}

// acc[j] = step(acc[j], x[i, j]) over i, four rows to one pass over acc.
template <typename V, typename Rule>
PENSTOCK_SIMD_INLINE void accumulate_rows(const float* x, int64_t ld, float* acc, int64_t rows,
                                          int64_t n) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4, x += 4 * ld) {
    for_each_vector<V>(n, [&](int64_t j, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
      V a = load_n<V>(acc + j, count);
      a = Rule::step(a, load_n<V>(x + j, count));
      a = Rule::step(a, load_n<V>(x + ld + j, count));
      a = Rule::step(a, load_n<V>(x + 2 * ld + j, count));
      a = Rule::step(a, load_n<V>(x + 3 * ld + j, count));
      store_n(a, acc + j, count);
    });
  }
  for (; row < rows; ++row, x += ld) {
    for_each_vector<V>(n, [&](int64_t j, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
      store_n(Rule::step(load_n<V>(acc + j, count), load_n<V>(x + j, count)), acc + j, count);
    });
  }
}

// Columns go in blocks whose totals stay in L1. Rows go in groups with a partial result each, so
// that the error of a sum over n rows grows like that of kGroup + n / kGroup.
template <typename V, typename Rule>
void reduce_columns_by(const float* x, int64_t ld, float* y, int64_t rows, int64_t cols) {
  constexpr int64_t kBlock = 1024, kGroup = 256;
  alignas(64) float partial[kBlock];
  for (int64_t j = 0; j < cols; j += kBlock) {
    const int64_t n = cols - j < kBlock ? cols - j : kBlock;
    for (int64_t k = 0; k < n; ++k) y[j + k] = Rule::kIdentity;
    for (int64_t i = 0; i < rows; i += kGroup) {
      const int64_t group = rows - i < kGroup ? rows - i : kGroup;
      for (int64_t k = 0; k < n; ++k) partial[k] = Rule::kIdentity;
      accumulate_rows<V, Rule>(x + i * ld + j, ld, partial, group, n);
      for_each_vector<V>(n, [&](int64_t k, int count) PENSTOCK_SIMD_INLINE_LAMBDA {
        const V total = Rule::fold(load_n<V>(y + j + k, count), load_n<V>(partial + k, count));
        store_n(total, y + j + k, count);
      });
    }
  }
}

template <typename V>
void reduce_columns(ReduceOp op, const float* x, int64_t ld, float* y, int64_t rows, int64_t cols) {
  switch (op) {
    case ReduceOp::kSum: return reduce_columns_by<V, SumRule>(x, ld, y, rows, cols);
    case ReduceOp::kMean:
      reduce_columns_by<V, SumRule>(x, ld, y, rows, cols);
      return divide(y, cols, rows);
    case ReduceOp::kSumSquares: return reduce_columns_by<V, SumSquaresRule>(x, ld, y, rows, cols);
    case ReduceOp::kMax: return reduce_columns_by<V, MaxRule>(x, ld, y, rows, cols);
    case ReduceOp::kMin: return reduce_columns_by<V, MinRule>(x, ld, y, rows, cols);
    case ReduceOp::kProd: return reduce_columns_by<V, ProdRule>(x, ld, y, rows, cols);
  }
}

// Embedding rows are scattered over a table far larger than the caches: the first lines of a row
// some places ahead are asked for early, the hardware fetches the rest.
template <typename Index>
void gather_rows(const void* table, const Index* indices, void* y, int64_t count,
                 int64_t row_bytes) {
  constexpr int64_t kAhead = 4;
  const char* source = static_cast<const char*>(table);
  char* target = static_cast<char*>(y);
  for (int64_t i = 0; i < count; ++i, target += row_bytes) {
    if (i + kAhead < count) {
      __builtin_prefetch(source + static_cast<int64_t>(indices[i + kAhead]) * row_bytes);
    }
    memcpy(target, source + static_cast<int64_t>(indices[i]) * row_bytes, row_bytes);
  }
}

template <typename V>
constexpr RowKernels row_kernel_table(Isa isa) {
  return {isa,
          softmax<V>,
          log_softmax<V>,
          layer_norm<V>,
          add_layer_norm<V>,
          rms_norm<V>,
          reduce_rows<V>,
          reduce_columns<V>,
          transpose_32<V>,
          gather_rows<int32_t>,
          gather_rows<int64_t>};
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
