// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/lstm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

std::vector<float> random_floats(int64_t n, float range, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-range, range);
  std::vector<float> v(n);
  for (float& x : v) x = uniform(random);
  return v;
}

double sigmoid_exact(double x) { return 1 / (1 + std::exp(-x)); }

struct Outputs {
  std::vector<double> y, h, c;
};

// ONNX's formulas, one row and one step at a time.
Outputs oracle(const LstmArgs& a, const std::vector<float>& r, int64_t batch) {
  const int64_t n = a.hidden;
  Outputs out{std::vector<double>(a.steps * batch * n), std::vector<double>(batch * n),
              std::vector<double>(batch * n)};
  for (int64_t b = 0; b < batch; ++b) {
    double* h = &out.h[b * n];
    double* c = &out.c[b * n];
    for (int64_t i = 0; i < n; ++i) {
      h[i] = a.initial_h != nullptr ? a.initial_h[b * n + i] : 0;
      c[i] = a.initial_c != nullptr ? a.initial_c[b * n + i] : 0;
    }
    const int64_t length = a.lengths != nullptr ? a.lengths[b] : a.steps;
    for (int64_t s = 0; s < length; ++s) {
      const int64_t t = a.reverse ? length - 1 - s : s;
      std::vector<double> gates(4 * n);
      for (int64_t g = 0; g < 4 * n; ++g) {
        gates[g] = a.inputs[t * a.inputs_step_stride + b * a.inputs_row_stride + g];
        for (int64_t i = 0; i < n; ++i) gates[g] += h[i] * r[g * n + i];
      }
      for (int64_t i = 0; i < n; ++i) {
        c[i] = sigmoid_exact(gates[2 * n + i]) * c[i] +
               sigmoid_exact(gates[i]) * std::tanh(gates[3 * n + i]);
        h[i] = sigmoid_exact(gates[n + i]) * std::tanh(c[i]);
        out.y[(t * batch + b) * n + i] = h[i];
      }
    }
  }
  return out;
}

struct Problem {
  int64_t steps, batch, hidden;
  bool reverse = false;
  bool lengths = false;
  bool initial = true;
};

void check_near(const std::vector<float>& got, const std::vector<double>& want, const char* what) {
  for (size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 5e-6) << what << " at " << i;
}

void check(const LstmKernel& kernel, const Problem& p) {
  SCOPED_TRACE(testing::Message() << kernel.name << " " << p.steps << "x" << p.batch << "x"
                                  << p.hidden << (p.reverse ? " reverse" : ""));
  const int64_t row = 4 * p.hidden + 3;
  const auto inputs = random_floats(p.steps * p.batch * row, 2.0f, 1);
  const auto r = random_floats(4 * p.hidden * p.hidden, 0.3f, 2);
  const auto h0 = random_floats(p.batch * p.hidden, 1.0f, 3);
  const auto c0 = random_floats(p.batch * p.hidden, 1.0f, 4);
  std::vector<int32_t> lengths(p.batch);
  for (int64_t b = 0; b < p.batch; ++b)
    lengths[b] = static_cast<int32_t>((b * 5 + 2) % (p.steps + 1));
  std::vector<float> packed(lstm_packed_recurrent_floats(kernel, p.hidden));
  lstm_pack_recurrent(kernel, r.data(), p.hidden, packed.data());
  std::vector<float> y(p.steps * p.batch * p.hidden, NAN), h(p.batch * p.hidden), c(h);
  LstmArgs a{.steps = p.steps,
             .hidden = p.hidden,
             .inputs = inputs.data(),
             .inputs_step_stride = p.batch * row,
             .inputs_row_stride = row,
             .packed_r = packed.data()};
  if (p.initial) a.initial_h = h0.data(), a.initial_c = c0.data();
  if (p.lengths) a.lengths = lengths.data();
  a.reverse = p.reverse;
  a.y = y.data(), a.y_step_stride = p.batch * p.hidden, a.y_row_stride = p.hidden;
  a.final_h = h.data(), a.final_c = c.data();
  const int64_t rows = lstm_rows_per_call(p.batch, 2);
  for (int64_t b = 0; b < p.batch; b += rows) {
    const int64_t end = std::min(b + rows, p.batch);
    std::vector<float> workspace(lstm_workspace_floats(end - b, p.hidden), NAN);
    kernel.run(a, b, end, workspace.data());
  }
  const Outputs want = oracle(a, r, p.batch);
  check_near(y, want.y, "y");
  check_near(h, want.h, "h");
  check_near(c, want.c, "c");
}

void check_all(const Problem& p) {
  for (const Isa isa : testable_isas()) check(lstm_kernel(isa), p);
}

TEST(Lstm, OddSizes) {
  for (const int64_t hidden : {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 48, 65, 100}) {
    for (const int64_t batch : {1, 2, 5, 11}) check_all({4, batch, hidden});
  }
  check_all({0, 3, 8});
  check_all({30, 32, 128});
}

TEST(Lstm, ReverseAndLengths) {
  for (const bool reverse : {false, true}) {
    for (const int64_t hidden : {6, 32}) {
      check_all({7, 9, hidden, reverse, false, false});
      check_all({7, 9, hidden, reverse, true, true});
      check_all({7, 9, hidden, reverse, true, false});
    }
  }
}

TEST(Lstm, OutputsAreOptional) {
  for (const Isa isa : testable_isas()) {
    const LstmKernel& kernel = lstm_kernel(isa);
    const std::vector<float> inputs(3 * 8, 0.5f), r(4 * 2 * 2, 0.1f);
    std::vector<float> packed(lstm_packed_recurrent_floats(kernel, 2));
    lstm_pack_recurrent(kernel, r.data(), 2, packed.data());
    std::vector<float> workspace(lstm_workspace_floats(1, 2)), h(2);
    LstmArgs a{.steps = 3,
               .hidden = 2,
               .inputs = inputs.data(),
               .inputs_step_stride = 8,
               .inputs_row_stride = 8,
               .packed_r = packed.data()};
    kernel.run(a, 0, 1, workspace.data());
    a.final_h = h.data();
    kernel.run(a, 0, 1, workspace.data());
    EXPECT_NEAR(h[1], oracle(a, r, 1).h[1], 1e-6);
  }
}

}  // namespace
}  // namespace penstock::simd
