// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/simd_norms.h"

#include "ops/narrow_cases_testing.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr DataType kFloat = DataType::kFloat32;

ir::Attributes with_axis(int64_t axis) {
  ir::Attributes attributes;
  attributes.set("axis", axis);
  return attributes;
}

TEST(SimdSoftmax, MatchesReferenceAlongEveryAxis) {
  const Shape shapes[] = {{1, 1}, {3, 7},    {2, 3, 5, 70}, {4, 1000}, {0, 5},
                          {5, 0}, {2, 0, 3}, {1, 21, 200},  {300, 33}, {9}};
  uint32_t seed = 1;
  for (const Shape& shape : shapes) {
    for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); ++axis) {
      const HostTensor x = random_tensor(kFloat, shape, seed++, -30, 30);
      expect_matches_reference(simd_softmax(), {"Softmax", with_axis(axis), {x}});
      expect_matches_reference(simd_softmax(), {"LogSoftmax", with_axis(axis), {x}}, 16);
    }
  }
}

TEST(SimdSoftmax, Literal) {
  expect_gives(simd_softmax(), {"Softmax", with_axis(0), {floats({2, 1}, {5, 5})}},
               {floats({2, 1}, {0.5, 0.5})});
}

TEST(SimdSoftmax, WidensRowsOfSixteenBits) {
  uint32_t seed = 1;
  for (DataType type : kNarrowFloats) {
    for (const Shape& shape :
         {Shape{3, 7}, Shape{4, 1000}, Shape{300, 33}, Shape{0, 5}, Shape{9}}) {
      const HostTensor x = random_tensor(kFloat, shape, seed++, -30, 30);
      for (const char* op : {"Softmax", "LogSoftmax"}) {
        expect_matches_reference(simd_softmax(), in_narrow_floats({op, with_axis(-1), {x}}, type),
                                 16);
      }
    }
  }
}

TEST(SimdSoftmax, RefusesSixteenBitsAlongOtherAxes) {
  const OpCase c{"Softmax",
                 with_axis(0),
                 {tensor(DataType::kFloat16, {2, 2}, {1, 2, 3, 4})},
                 {DataType::kFloat16}};
  EXPECT_EQ(simd_softmax().offer(node_facts(c, reference(c))).refusal,
            "of 16 bits only along the last axis");
}

TEST(SimdLayerNorm, WidensRowsOfSixteenBits) {
  uint32_t seed = 90;
  for (DataType type : kNarrowFloats) {
    for (const Shape& shape : {Shape{3, 7}, Shape{2, 5, 768}, Shape{0, 4}, Shape{130, 33}}) {
      const Shape row = {shape.back()};
      const HostTensor x = random_tensor(kFloat, shape, seed++);
      const HostTensor residual = random_tensor(kFloat, shape, seed++);
      const HostTensor scale = random_tensor(kFloat, row, seed++);
      const HostTensor bias = random_tensor(kFloat, row, seed++);
      ir::Attributes epsilon;
      epsilon.set("epsilon", 1e-2f);
      const std::string op = "LayerNormalization";
      for (const OpCase& c :
           {OpCase{op, epsilon, {x, scale, bias}}, OpCase{op, epsilon, {x, scale, bias, residual}},
            OpCase{op, epsilon, {x, scale, {}, residual}, {kFloat, kFloat}},
            OpCase{"RMSNormalization", epsilon, {x, scale}}}) {
        expect_matches_reference(simd_layer_norm(), in_narrow_floats(c, type, {1, 2}), 16);
      }
    }
  }
}

TEST(SimdLayerNorm, MatchesReference) {
  const Shape shapes[] = {{1, 1}, {3, 7}, {2, 5, 768}, {0, 4}, {130, 33}, {2, 3, 4, 6}};
  uint32_t seed = 50;
  for (const Shape& shape : shapes) {
    const Shape row = {shape.back()};
    const HostTensor x = random_tensor(kFloat, shape, seed++);
    const HostTensor residual = random_tensor(kFloat, shape, seed++);
    const HostTensor scale = random_tensor(kFloat, row, seed++);
    const HostTensor bias = random_tensor(kFloat, row, seed++);
    const backends::Tactic& tactic = simd_layer_norm();
    // A row of one or two elements may be all rounding error: epsilon keeps that from showing.
    ir::Attributes epsilon;
    epsilon.set("epsilon", 1e-2f);
    const std::string op = "LayerNormalization";
    expect_matches_reference(tactic, {op, epsilon, {x, scale}}, 16);
    expect_matches_reference(tactic, {op, epsilon, {x, scale, bias}}, 16);
    expect_matches_reference(tactic, {op, epsilon, {x, scale, bias, residual}}, 16);
    expect_matches_reference(tactic, {op, epsilon, {x, scale, {}, residual}, {kFloat, kFloat}}, 16);
    expect_matches_reference(tactic, {"RMSNormalization", epsilon, {x, scale}}, 16);
  }
}

TEST(SimdLayerNorm, NormalizesSeveralAxes) {
  const HostTensor x = random_tensor(kFloat, {5, 3, 4}, 3);
  const HostTensor scale = random_tensor(kFloat, {3, 4}, 4);
  const OpCase whole{"LayerNormalization", with_axis(1), {x, scale}};
  expect_matches_reference(simd_layer_norm(), whole, 16);
  const OpCase repeated{"LayerNormalization", with_axis(1), {x, random_tensor(kFloat, {4}, 5)}};
  EXPECT_NE(simd_layer_norm().offer(node_facts(repeated, reference(repeated))).refusal, "");
}

}  // namespace
}  // namespace penstock::ops::test
