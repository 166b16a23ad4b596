// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr auto kFloat = DataType::kFloat32;

const backends::Tactic& tactic_for(std::string_view op) {
  static const TacticList kTactics = pointwise_simd_tactics();
  for (const auto& [name, tactic] : kTactics) {
    if (name == op) return *tactic;
  }
  ADD_FAILURE() << "no tactic for " << op;
  return *kTactics.front().second;
}

OpCase quantize(DataType type, const HostTensor& x, const HostTensor& scale, double zero_point) {
  OpCase c{"QuantizeLinear", {}, {x, scale}, {type}};
  c.attributes.set("axis", int64_t{-1});
  c.attributes.set("output_dtype", static_cast<int64_t>(type));
  if (zero_point != 0) {
    const std::vector<double> points(static_cast<size_t>(element_count(scale.shape)), zero_point);
    c.inputs.push_back(tensor(type, scale.shape, points));
  }
  return c;
}

TEST(QuantizationSimd, RoundsLikeTheReference) {
  for (DataType type : {DataType::kInt8, DataType::kUInt8}) {
    for (double zero_point : {0.0, 3.0, 127.0}) {
      for (const Shape& shape : {Shape{}, Shape{1}, Shape{7}, Shape{2, 19, 5, 7}, Shape{3, 1201}}) {
        SCOPED_TRACE(std::string(to_string(type)) + to_string(shape));
        const HostTensor x = random_tensor(kFloat, shape, 1, -40, 40);
        const HostTensor one = floats({}, {0.25});
        expect_matches_reference(tactic_for("QuantizeLinear"), quantize(type, x, one, zero_point));
        OpCase back{"DequantizeLinear", {}, {random_tensor(type, shape, 2, 0, 127), one}};
        if (zero_point != 0) back.inputs.push_back(tensor(type, {}, {zero_point}));
        expect_matches_reference(tactic_for("DequantizeLinear"), back);
      }
    }
  }
}

TEST(QuantizationSimd, TiesLimitsAndNan) {
  const HostTensor x = floats({9}, {0.5, 1.5, -0.5, 2.5, 1e30, -1e30, INFINITY, -INFINITY, NAN});
  for (DataType type : {DataType::kInt8, DataType::kUInt8}) {
    expect_matches_reference(tactic_for("QuantizeLinear"), quantize(type, x, floats({}, {1}), 1));
  }
}

TEST(QuantizationSimd, ScalesOfTheLastAxis) {
  const HostTensor x = random_tensor(kFloat, {4, 33}, 1, -40, 40);
  const HostTensor scales = random_tensor(kFloat, {33}, 2, 0.1, 1);
  expect_matches_reference(tactic_for("QuantizeLinear"), quantize(DataType::kInt8, x, scales, -5));
  OpCase rows = quantize(DataType::kInt8, x, random_tensor(kFloat, {4}, 2, 0.1, 1), 0);
  rows.attributes.set("axis", int64_t{0});
  const auto offer = tactic_for("QuantizeLinear").offer(node_facts(rows, reference(rows)));
  EXPECT_EQ(offer.refusal, "scales neither of all nor of the last axis");
}

}  // namespace
}  // namespace penstock::ops::test
