// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

// Row kernels of every level against double-precision oracles.

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "backends/cpu/simd/rows.h"
#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

constexpr int64_t kSizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1000};
constexpr int64_t kRows = 5;

using Row = std::vector<double>;

Row row_of(const Buffer& x, int64_t row, int64_t cols) {
  Row result(cols);
  for (int64_t i = 0; i < cols; ++i) result[i] = x[row * cols + i];
  return result;
}

Row softmax_of(Row x) {
  if (x.empty()) return x;
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0.0;
  for (double& v : x) sum += v = std::exp(v - largest);
  for (double& v : x) v /= sum;
  return x;
}

Row layer_norm_of(const Row& x, const Buffer* gamma, const Buffer* beta, double epsilon) {
  const double n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double variance = 0.0;
  for (double v : x) variance += (v - mean) * (v - mean) / n;
  Row y;
  for (size_t i = 0; i < x.size(); ++i) {
    const double scale = gamma != nullptr ? (*gamma)[i] : 1.0;
    const double shift = beta != nullptr ? (*beta)[i] : 0.0;
    y.push_back((x[i] - mean) / std::sqrt(variance + epsilon) * scale + shift);
  }
  return y;
}

void expect_row(const Buffer& y, int64_t row, const Row& expected, double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const float actual = y[row * static_cast<int64_t>(expected.size()) + i];
    ASSERT_NEAR(actual, expected[i], tolerance * std::max(1.0, std::abs(expected[i])))
        << "row " << row << " column " << i << " of " << expected.size();
  }
}

class Rows : public testing::TestWithParam<Isa> {
 protected:
  const RowKernels& kernels_ = row_kernels(GetParam());
};

INSTANTIATE_TEST_SUITE_P(EveryIsa, Rows, testing::ValuesIn(testable_isas()),
                         [](const auto& info) { return isa_name(info.param); });

TEST_P(Rows, TableIsOfTheLevelAskedFor) { EXPECT_EQ(kernels_.isa, GetParam()); }

TEST_P(Rows, Softmax) {
  for (int64_t cols : kSizes) {
    Buffer x(kRows * cols, -20, 20), y(kRows * cols);
    kernels_.softmax(x.get(), y.get(), kRows, cols, 1.0f, nullptr, 0);
    for (int64_t r = 0; r < kRows; ++r) expect_row(y, r, softmax_of(row_of(x, r, cols)), 5e-7);
    EXPECT_TRUE(y.intact());
  }
}

TEST_P(Rows, SoftmaxScalesAndMasks) {
  for (int64_t cols : kSizes) {
    for (int64_t stride : {int64_t{0}, cols}) {
      Buffer x(kRows * cols, -9, 9), y(kRows * cols), mask(kRows * cols, -9, 9, 2);
      for (int64_t i = 1; i < kRows * cols; i += 3) mask[i] = -INFINITY;
      if (cols == 1) continue;  // a row of -inf only
      kernels_.softmax(x.get(), y.get(), kRows, cols, 0.125f, mask.get(), stride);
      for (int64_t r = 0; r < kRows; ++r) {
        Row row = row_of(x, r, cols);
        for (int64_t i = 0; i < cols; ++i) row[i] = row[i] * 0.125 + mask[r * stride + i];
        expect_row(y, r, softmax_of(row), 5e-7);
      }
    }
  }
}

TEST_P(Rows, SoftmaxInPlaceWithHugeValues) {
  Buffer x(100, 3e38f, 3.4e38f), y(100);
  kernels_.softmax(x.get(), y.get(), 1, 100, 1.0f, nullptr, 0);
  kernels_.softmax(x.get(), x.get(), 1, 100, 1.0f, nullptr, 0);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(x[i], y[i]);
  EXPECT_NEAR(std::accumulate(x.get(), x.get() + 100, 0.0), 1.0, 1e-6);
}

TEST_P(Rows, LogSoftmax) {
  for (int64_t cols : kSizes) {
    Buffer x(kRows * cols, -20, 20), y(kRows * cols);
    kernels_.log_softmax(x.get(), y.get(), kRows, cols);
    for (int64_t r = 0; r < kRows; ++r) {
      Row expected = softmax_of(row_of(x, r, cols));
      for (double& v : expected) v = std::log(v);
      expect_row(y, r, expected, 5e-7);
    }
    EXPECT_TRUE(y.intact());
  }
}

TEST_P(Rows, LayerNorm) {
  for (int64_t cols : kSizes) {
    Buffer x(kRows * cols, 8, 12), y(kRows * cols), gamma(cols, -2, 2, 3), beta(cols, -2, 2, 4);
    kernels_.layer_norm(x.get(), gamma.get(), beta.get(), 1e-5f, y.get(), kRows, cols);
    for (int64_t r = 0; r < kRows; ++r) {
      expect_row(y, r, layer_norm_of(row_of(x, r, cols), &gamma, &beta, 1e-5f), 5e-6);
    }
    kernels_.layer_norm(x.get(), nullptr, nullptr, 1e-5f, y.get(), kRows, cols);
    for (int64_t r = 0; r < kRows; ++r) {
      expect_row(y, r, layer_norm_of(row_of(x, r, cols), nullptr, nullptr, 1e-5f), 5e-6);
    }
    EXPECT_TRUE(y.intact());
  }
}

TEST_P(Rows, AddLayerNormWithAndWithoutSumAndInPlace) {
  for (int64_t cols : kSizes) {
    const int64_t n = kRows * cols;
    Buffer x(n), residual(n, -3, 3, 2), y(n), z(n), sum(n), gamma(cols, -2, 2, 3);
    kernels_.add_layer_norm(x.get(), residual.get(), gamma.get(), nullptr, 1e-6f, sum.get(),
                            y.get(), kRows, cols);
    kernels_.add_layer_norm(x.get(), residual.get(), gamma.get(), nullptr, 1e-6f, nullptr, z.get(),
                            kRows, cols);
    for (int64_t r = 0; r < kRows; ++r) {
      const Row expected = layer_norm_of(row_of(sum, r, cols), &gamma, nullptr, 1e-6f);
      expect_row(y, r, expected, 5e-6);
      expect_row(z, r, expected, 5e-6);
    }
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(sum[i], x[i] + residual[i]);
    kernels_.add_layer_norm(x.get(), residual.get(), gamma.get(), nullptr, 1e-6f, x.get(),
                            residual.get(), kRows, cols);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(residual[i], y[i]);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(x[i], sum[i]);
  }
}

TEST_P(Rows, RmsNorm) {
  for (int64_t cols : kSizes) {
    Buffer x(kRows * cols), y(kRows * cols), gamma(cols, -2, 2, 3);
    kernels_.rms_norm(x.get(), gamma.get(), 1e-5f, y.get(), kRows, cols);
    for (int64_t r = 0; r < kRows; ++r) {
      Row row = row_of(x, r, cols);
      const double squares = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
      for (int64_t i = 0; i < cols; ++i) row[i] *= gamma[i] / std::sqrt(squares / cols + 1e-5f);
      expect_row(y, r, row, 2e-6);
    }
    EXPECT_TRUE(y.intact());
  }
}

double reduce_of(ReduceOp op, const Row& x) {
  double sum = 0.0, squares = 0.0, largest = -INFINITY, smallest = INFINITY, product = 1.0;
  for (double v : x) {
    sum += v;
    squares += v * v;
    largest = std::max(largest, v);
    smallest = std::min(smallest, v);
    product *= v;
  }
  switch (op) {
    case ReduceOp::kSum: return sum;
    case ReduceOp::kMean: return sum / static_cast<double>(x.size());
    case ReduceOp::kSumSquares: return squares;
    case ReduceOp::kMax: return largest;
    case ReduceOp::kMin: return smallest;
    case ReduceOp::kProd: return product;
  }
  return 0.0;
}

constexpr ReduceOp kReduceOps[] = {ReduceOp::kSum, ReduceOp::kMean, ReduceOp::kSumSquares,
                                   ReduceOp::kMax, ReduceOp::kMin,  ReduceOp::kProd};

// Sums may err by a few rounding steps of the sum of magnitudes, products by one for each factor.
void expect_reduced(ReduceOp op, float actual, const Row& x) {
  const double expected = reduce_of(op, x);
  if (std::isnan(expected) || std::isinf(expected)) {
    EXPECT_EQ(relative_error(actual, expected), 0.0);
    return;
  }
  double magnitude = std::abs(expected);
  if (op == ReduceOp::kSum) {
    for (double v : x) magnitude += std::abs(v);
  }
  if (op == ReduceOp::kMean) magnitude += 3.0;
  const double steps = op == ReduceOp::kProd ? static_cast<double>(x.size()) : 16.0;
  const bool exact = op == ReduceOp::kMax || op == ReduceOp::kMin;
  EXPECT_NEAR(actual, expected, exact ? 0.0 : magnitude * 6e-8 * (steps + 1.0))
      << "op " << static_cast<int>(op) << " of " << x.size();
}

TEST_P(Rows, ReduceRows) {
  for (ReduceOp op : kReduceOps) {
    const float low = op == ReduceOp::kProd ? 0.9f : -3.0f;
    for (int64_t cols : {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1000, 10000}) {
      Buffer x(kRows * cols, low, op == ReduceOp::kProd ? 1.1f : 3.0f), y(kRows);
      kernels_.reduce_rows(op, x.get(), y.get(), kRows, cols);
      for (int64_t r = 0; r < kRows; ++r) expect_reduced(op, y[r], row_of(x, r, cols));
    }
  }
}

TEST_P(Rows, MaxAndMinPropagateNan) {
  for (int64_t at : {0, 5, 15, 16, 63, 64, 99}) {
    Buffer x(100), y(1);
    x[at] = NAN;
    for (ReduceOp op : {ReduceOp::kMax, ReduceOp::kMin}) {
      kernels_.reduce_rows(op, x.get(), y.get(), 1, 100);
      EXPECT_TRUE(std::isnan(y[0])) << at;
      kernels_.reduce_columns(op, x.get(), 1, y.get(), 100, 1);
      EXPECT_TRUE(std::isnan(y[0])) << at;
    }
  }
}

TEST_P(Rows, ReduceColumns) {
  for (ReduceOp op : kReduceOps) {
    const float low = op == ReduceOp::kProd ? 0.9f : -3.0f;
    for (int64_t rows : {0, 1, 3, 4, 5, 257, 600}) {
      for (int64_t cols : {1, 7, 16, 33, 1000, 1100}) {
        const int64_t ld = cols + 3;
        Buffer x(rows * ld, low, op == ReduceOp::kProd ? 1.1f : 3.0f), y(cols);
        kernels_.reduce_columns(op, x.get(), ld, y.get(), rows, cols);
        for (int64_t j = 0; j < cols; j += 1 + cols / 9) {
          Row column;
          for (int64_t i = 0; i < rows; ++i) column.push_back(x[i * ld + j]);
          expect_reduced(op, y[j], column);
        }
        EXPECT_TRUE(y.intact());
      }
    }
  }
}

TEST_P(Rows, TransposeKeepsEveryBit) {
  for (int64_t rows : kSizes) {
    for (int64_t cols : {0, 1, 7, 8, 9, 16, 17, 33, 100}) {
      const int64_t x_ld = cols + 2, y_ld = rows + 5;
      std::vector<uint32_t> x(rows * x_ld + 1), y(cols * y_ld + 1, 0xfeedu);
      for (size_t i = 0; i < x.size(); ++i) x[i] = 0x7f800001u + static_cast<uint32_t>(i);
      kernels_.transpose_32(x.data(), x_ld, y.data(), y_ld, rows, cols);
      for (int64_t j = 0; j < cols; ++j) {
        for (int64_t i = 0; i < y_ld; ++i) {
          ASSERT_EQ(y[j * y_ld + i], i < rows ? x[i * x_ld + j] : 0xfeedu);
        }
      }
    }
  }
}

TEST_P(Rows, GatherRows) {
  std::vector<char> table(50 * 37);
  std::iota(table.begin(), table.end(), 0);
  const std::vector<int64_t> wide = {49, 0, 7, 7, 31, 2, 48};
  const std::vector<int32_t> narrow(wide.begin(), wide.end());
  std::vector<char> y(wide.size() * 37), z(y);
  kernels_.gather_rows_i64(table.data(), wide.data(), y.data(), wide.size(), 37);
  kernels_.gather_rows_i32(table.data(), narrow.data(), z.data(), narrow.size(), 37);
  for (size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(0, memcmp(&y[i * 37], &table[wide[i] * 37], 37));
  }
  EXPECT_EQ(y, z);
}

TEST(IsaTest, ActiveIsAtMostDetected) { EXPECT_LE(active(), detect()); }

TEST(IsaTest, EnvironmentCapsTheLevel) {
  // active() has read this process's environment once for all: the child must be a new process.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        setenv("PENSTOCK_MAX_ISA", "sse4", 1);
        std::exit(active() == Isa::kBaseline && !active_flags().avx512_vnni ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("PENSTOCK_MAX_ISA", "AVX3", 1);
        std::exit(active() == detect() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "'AVX3', which is not SSE4, AVX2 or AVX512");
}

}  // namespace
}  // namespace penstock::simd
