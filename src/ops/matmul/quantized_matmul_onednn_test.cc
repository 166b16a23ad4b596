// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/matmul_cases_testing.h"
#include "ops/onednn_tactics.h"
#include "ops/quantized_cases_testing.h"

namespace penstock::ops::test {
namespace {

struct MatMulShape {
  Shape x, w, y;
  bool trans_b = false;
};

const MatMulShape kShapes[] = {
    {{5, 7}, {7, 3}, {5, 3}},
    {{1, 64}, {64, 10}, {1, 10}},
    {{64, 48}, {80, 48}, {64, 80}, true},
    {{2, 9, 16}, {16, 24}, {2, 9, 24}},
    {{128, 384}, {384, 192}, {128, 192}},
};

OpCase op_case(const MatMulShape& s, const QuantizedCase& q) {
  const auto limit = static_cast<double>(q.w_limit);
  OpCase c{"QuantizedMatMul",
           {},
           {random_bytes(q.x, s.x, 1), random_tensor(DataType::kInt8, s.w, 2, -limit, limit)}};
  if (s.trans_b) c.attributes.set("trans_b", int64_t{1});
  complete(c, q, s.x.back(), s.y.back(), s.y);
  return c;
}

TEST(OnednnQuantizedMatMul, MatchesTheReference) {
  for (int64_t w_limit : {127, 64}) {
    for (const MatMulShape& s : kShapes) {
      for (const QuantizedCase& q : quantized_cases(w_limit)) {
        SCOPED_TRACE(to_string(s.x) + " x " + to_string(s.w) + ", " + q.text());
        expect_matches_reference(onednn_quantized_matmul(), op_case(s, q), s.x.back());
      }
    }
  }
}

// Scores and sums of attention: two activations, each with its zero point.
TEST(OnednnQuantizedMatMul, MultipliesActivations) {
  for (DataType w : {DataType::kInt8, DataType::kUInt8}) {
    for (bool trans_b : {false, true}) {
      SCOPED_TRACE(std::string(to_string(w)) + (trans_b ? " transposed" : ""));
      OpCase c{"QuantizedMatMul",
               {},
               {random_bytes(DataType::kUInt8, {2, 3, 9, 16}, 1),
                random_bytes(w, trans_b ? Shape{2, 3, 11, 16} : Shape{2, 3, 16, 11}, 2),
                HostTensor(), floats({}, {1e-5})}};
      if (trans_b) c.attributes.set("trans_b", int64_t{1});
      c.attributes.set("x_zero_point", int64_t{131});
      c.attributes.set("w_zero_point", int64_t{w == DataType::kInt8 ? -3 : 120});
      expect_matches_reference(onednn_quantized_matmul(), c, 16);
    }
  }
}

// What a model that is quantized at run time computes: scale and bias are no constants.
TEST(OnednnQuantizedMatMul, TakesScalesOfTheRun) {
  OpCase c = op_case(kShapes[3], {DataType::kUInt8, 0, 127});
  c.constants = {1};
  expect_matches_reference(onednn_quantized_matmul(), c, 16);
  c.inputs[kProductScale] = floats({}, {1e-4});
  expect_matches_reference(onednn_quantized_matmul(), c, 16);
}

}  // namespace
}  // namespace penstock::ops::test
