// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

constexpr float kUntouched = -77.0f;

// Exactly n floats on the heap, so that the address sanitizer sees one too many.
std::vector<float> random_floats(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> v(n);
  for (float& x : v) x = uniform(random);
  return v;
}

// Floats of a matrix whose last row has no padding.
int64_t matrix_floats(int64_t rows, int64_t cols, int64_t ld) {
  return rows <= 0 || cols <= 0 ? 0 : (rows - 1) * ld + cols;
}

double activate(const GemmStep& step, double x) {
  switch (step.kind) {
    case GemmStepKind::kRelu: return x > 0 ? x : 0;
    case GemmStepKind::kGeluErf: return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case GemmStepKind::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case GemmStepKind::kSilu: return x / (1 + std::exp(-x));
    case GemmStepKind::kSigmoid: return 1 / (1 + std::exp(-x));
    case GemmStepKind::kTanh: return std::tanh(x);
    case GemmStepKind::kClip: return std::min<double>(step.hi, std::max<double>(step.lo, x));
    case GemmStepKind::kHardSwish: return x * std::min(1.0, std::max(0.0, x / 6 + 0.5));
    default: ADD_FAILURE() << "not an activation"; return 0;
  }
}

double oracle(const GemmArgs& g, const std::vector<float>& old_c, int64_t batch, int64_t i,
              int64_t j) {
  const float* a = g.a + batch * g.a_batch_stride;
  const float* b = g.b + batch * g.b_batch_stride;
  double sum = 0;
  for (int64_t p = 0; p < g.k; ++p) {
    sum += static_cast<double>(g.trans_a ? a[p * g.lda + i] : a[i * g.lda + p]) *
           (g.trans_b ? b[j * g.ldb + p] : b[p * g.ldb + j]);
  }
  double x = g.alpha * sum;
  if (g.accumulate) x += old_c[batch * g.c_batch_stride + i * g.ldc + j];
  for (int s = 0; s < g.step_count; ++s) {
    const GemmStep& step = g.steps[s];
    const float* data = step.data + batch * step.batch_stride;
    if (step.kind == GemmStepKind::kBiasPerColumn)
      x += data[j];
    else if (step.kind == GemmStepKind::kBiasPerRow)
      x += data[i];
    else if (step.kind == GemmStepKind::kAddMatrix)
      x += data[i * step.ld + j];
    else
      x = activate(step, x);
  }
  return x;
}

struct Problem {
  int64_t m, n, k;
  bool trans_a = false;
  bool trans_b = false;
  bool packed = true;
  int64_t batch = 1;
  float alpha = 1.0f;
  bool accumulate = false;
  std::vector<GemmStepKind> steps = {};
  int threads = 1;
  int64_t padding = 3;  // leading dimensions over the tight ones
};

// Owns what a GemmArgs points to.
class Case {
 public:
  Case(const GemmKernel& kernel, const Problem& p) : kernel_(kernel) {
    GemmArgs& g = args;
    g.m = p.m, g.n = p.n, g.k = p.k, g.batch = p.batch;
    g.trans_a = p.trans_a, g.trans_b = p.trans_b;
    g.alpha = p.alpha, g.accumulate = p.accumulate;
    g.lda = (p.trans_a ? p.m : p.k) + p.padding;
    g.ldb = (p.trans_b ? p.k : p.n) + p.padding;
    g.ldc = p.n + p.padding;
    const int64_t a_floats =
        p.trans_a ? matrix_floats(p.k, p.m, g.lda) : matrix_floats(p.m, p.k, g.lda);
    const int64_t b_floats =
        p.trans_b ? matrix_floats(p.n, p.k, g.ldb) : matrix_floats(p.k, p.n, g.ldb);
    g.a_batch_stride = a_floats, g.b_batch_stride = b_floats;
    g.c_batch_stride = p.m * g.ldc;
    a_ = random_floats(p.batch * a_floats, 1);
    b_ = random_floats(p.batch * b_floats, 2);
    c_ = random_floats(p.batch * g.c_batch_stride, 3);
    for (int64_t i = 0; i < static_cast<int64_t>(c_.size()); ++i) {
      if (i % g.ldc >= p.n) c_[i] = kUntouched;
    }
    column_bias_ = random_floats(p.n, 4);
    row_bias_ = random_floats(p.m, 5);
    matrix_ = random_floats(p.batch * p.m * (p.n + 1), 6);
    g.a = a_.data(), g.b = b_.data();
    for (const GemmStepKind kind : p.steps) g.steps[g.step_count++] = make_step(kind);
    if (p.packed) pack(p.batch);
  }

  void run_and_check(int threads) {
    std::vector<float> actual = c_;
    args.c = actual.data();
    std::vector<float> workspace(gemm_workspace_floats(kernel_, args));
    const GemmGrid grid = gemm_grid(kernel_, args, threads);
    // One tile a call and backwards: tiles must not depend on each other.
    for (int64_t t = grid.tiles() - 1; t >= 0; --t) {
      kernel_.run(args, grid, t, t + 1, workspace.data());
    }
    // Sums of k products of numbers below 1, each rounded: k * 2^-24 * (typical partial sum).
    const double tolerance = 4e-6 + 6e-8 * static_cast<double>(args.k) * 2;
    int bad = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(actual.size()); ++at) {
      const int64_t batch = at / args.c_batch_stride;
      const int64_t i = at % args.c_batch_stride / args.ldc;
      const int64_t j = at % args.ldc;
      const double want = j < args.n ? oracle(args, c_, batch, i, j) : kUntouched;
      if (!(std::abs(actual[at] - want) <= tolerance) && ++bad < 4) {
        ADD_FAILURE() << kernel_.name << " [" << batch << ", " << i << ", " << j << "] of "
                      << args.m << "x" << args.n << "x" << args.k << ": " << actual[at] << ", not "
                      << want;
      }
    }
  }

  GemmArgs args;

 private:
  GemmStep make_step(GemmStepKind kind) const {
    GemmStep step{.kind = kind, .lo = -0.25f, .hi = 0.75f};
    if (kind == GemmStepKind::kBiasPerColumn) step.data = column_bias_.data();
    if (kind == GemmStepKind::kBiasPerRow) step.data = row_bias_.data();
    if (kind == GemmStepKind::kAddMatrix) {
      step.data = matrix_.data();
      step.ld = args.n + 1;
      step.batch_stride = args.m * step.ld;
    }
    return step;
  }

  void pack(int64_t batch) {
    const int64_t floats = gemm_packed_b_floats(args.k, args.n, kernel_.nr);
    packed_.resize(batch * floats);
    for (int64_t i = 0; i < batch; ++i) {
      gemm_pack_b(b_.data() + i * args.b_batch_stride, args.ldb, args.trans_b, args.k, args.n,
                  kernel_.nr, packed_.data() + i * floats);
    }
    args.packed_b = packed_.data();
    // The oracle reads b with the same stride as the kernel reads packed_b.
    EXPECT_TRUE(batch == 1 || floats == args.b_batch_stride);
  }

  const GemmKernel& kernel_;
  std::vector<float> a_, b_, c_, column_bias_, row_bias_, matrix_, packed_;
};

void check(const Problem& problem) {
  for (const Isa isa : testable_isas()) {
    const GemmKernel& kernel = gemm_kernel(isa);
    SCOPED_TRACE(kernel.name);
    Case(kernel, problem).run_and_check(problem.threads);
  }
}

const int64_t kSizes[] = {0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 48, 63, 65, 100};

TEST(Gemm, OddSizes) {
  for (const int64_t m : kSizes) {
    for (const int64_t n : kSizes) {
      for (const int64_t k : {0, 1, 2, 3, 5, 17, 64}) {
        check({m, n, k});
        check({.m = m, .n = n, .k = k, .packed = false});
      }
    }
  }
}

TEST(Gemm, TransposedOperands) {
  for (const int64_t m : {1, 3, 7, 33, 100}) {
    for (const int64_t n : {1, 8, 17, 65, 97}) {
      for (const bool packed : {false, true}) {
        check({.m = m, .n = n, .k = 19, .trans_a = true, .packed = packed});
        check({.m = m, .n = n, .k = 19, .trans_b = true, .packed = packed});
        check({.m = m, .n = n, .k = 6, .trans_a = true, .trans_b = true, .packed = packed});
      }
    }
  }
}

TEST(Gemm, EveryStepAlone) {
  for (const GemmStepKind kind :
       {GemmStepKind::kBiasPerColumn, GemmStepKind::kBiasPerRow, GemmStepKind::kAddMatrix,
        GemmStepKind::kRelu, GemmStepKind::kGeluErf, GemmStepKind::kGeluTanh, GemmStepKind::kSilu,
        GemmStepKind::kSigmoid, GemmStepKind::kTanh, GemmStepKind::kClip,
        GemmStepKind::kHardSwish}) {
    SCOPED_TRACE(static_cast<int>(kind));
    for (const int64_t m : {1, 2, 13}) check({.m = m, .n = 71, .k = 9, .steps = {kind}});
    check({.m = 13, .n = 64, .k = 9, .steps = {kind}});
  }
}

TEST(Gemm, StepsApplyInOrder) {
  using enum GemmStepKind;
  check({.m = 9, .n = 50, .k = 8, .steps = {kBiasPerColumn, kGeluErf, kAddMatrix, kRelu}});
  check({.m = 9, .n = 50, .k = 8, .steps = {kTanh, kBiasPerColumn, kClip}});
  check({.m = 9, .n = 50, .k = 8, .alpha = 0.5f, .steps = {kBiasPerColumn, kSilu}});
  check({.m = 9, .n = 50, .k = 8, .accumulate = true, .steps = {kBiasPerColumn, kBiasPerRow}});
  check({.m = 3, .n = 200, .k = 8, .alpha = -2.0f, .accumulate = true, .steps = {kTanh}});
}

TEST(Gemm, Batches) {
  check(
      {.m = 5, .n = 32, .k = 7, .packed = false, .batch = 3, .steps = {GemmStepKind::kAddMatrix}});
  check({.m = 50, .n = 33, .k = 7, .trans_b = true, .packed = false, .batch = 3});
  check({.m = 2, .n = 32, .k = 7, .batch = 3, .padding = 0});
}

TEST(Gemm, ManyTiles) {
  check({.m = 205, .n = 1100, .k = 20, .threads = 2});
  check({.m = 205, .n = 1100, .k = 20, .packed = false, .threads = 2});
  check({.m = 400, .n = 40, .k = 1600});
  check({.m = 4, .n = 2000, .k = 33, .threads = 7});
}

TEST(Gemm, ResidualMayBeC) {
  for (const Isa isa : testable_isas()) {
    std::vector<float> a = random_floats(20 * 30, 1), b = random_floats(30 * 70, 2);
    std::vector<float> x = random_floats(20 * 70, 3),
                       packed(gemm_packed_b_floats(30, 70, gemm_kernel(isa).nr));
    gemm_pack_b(b.data(), 70, false, 30, 70, gemm_kernel(isa).nr, packed.data());
    const std::vector<float> old = x;
    GemmArgs g{.m = 20,
               .n = 70,
               .k = 30,
               .a = a.data(),
               .lda = 30,
               .packed_b = packed.data(),
               .b = b.data(),
               .ldb = 70,
               .c = x.data(),
               .ldc = 70};
    g.steps[g.step_count++] = {.kind = GemmStepKind::kRelu};
    g.steps[g.step_count++] = {.kind = GemmStepKind::kAddMatrix, .data = x.data(), .ld = 70};
    const GemmGrid grid = gemm_grid(gemm_kernel(isa), g, 1);
    gemm_kernel(isa).run(g, grid, 0, grid.tiles(), nullptr);
    g.steps[1].data = old.data();
    for (int64_t i = 0; i < 20 * 70; ++i)
      ASSERT_NEAR(x[i], oracle(g, old, 0, i / 70, i % 70), 1e-5);
  }
}

TEST(Gemm, NanPassesThroughEveryStep) {
  for (const Isa isa : testable_isas()) {
    for (int kind = 0; kind <= static_cast<int>(GemmStepKind::kHardSwish); ++kind) {
      std::vector<float> a(40, NAN), b(40, 1.0f), data(1600), c(1600), ws(4096);
      GemmArgs g{.m = 40,
                 .n = 40,
                 .k = 1,
                 .a = a.data(),
                 .lda = 1,
                 .b = b.data(),
                 .ldb = 40,
                 .c = c.data(),
                 .ldc = 40};
      g.steps[g.step_count++] = {
          .kind = static_cast<GemmStepKind>(kind), .data = data.data(), .ld = 40, .hi = 1.0f};
      const GemmGrid grid = gemm_grid(gemm_kernel(isa), g, 1);
      gemm_kernel(isa).run(g, grid, 0, grid.tiles(), ws.data());
      for (const float x : c) ASSERT_TRUE(std::isnan(x)) << gemm_kernel(isa).name << " " << kind;
    }
  }
}

TEST(Gemm, PackedLayoutIsTheDocumentedOne) {
  const std::vector<float> b = random_floats(7 * 21, 1);
  std::vector<float> packed(gemm_packed_b_floats(7, 21, 8));
  ASSERT_EQ(packed.size(), 3u * 8 * 7);
  gemm_pack_b(b.data(), 21, false, 7, 21, 8, packed.data());
  for (int64_t p = 0; p < 7; ++p) {
    for (int64_t j = 0; j < 24; ++j) {
      EXPECT_EQ(packed[j / 8 * 7 * 8 + p * 8 + j % 8], j < 21 ? b[p * 21 + j] : 0.0f);
    }
  }
}

}  // namespace
}  // namespace penstock::simd
