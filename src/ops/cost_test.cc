// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/cost.h"

#include <gtest/gtest.h>

namespace penstock::ops {
namespace {

backends::Operand tensor(Shape shape, DataType dtype = DataType::kFloat32) {
  backends::Operand operand;
  operand.present = true;
  operand.dtype = dtype;
  operand.shape = std::move(shape);
  return operand;
}

backends::NodeFacts node(std::string op, std::vector<backends::Operand> inputs,
                         backends::Operand output) {
  backends::NodeFacts facts;
  facts.op = std::move(op);
  facts.inputs = std::move(inputs);
  facts.outputs = {std::move(output)};
  return facts;
}

TEST(Cost, OfAMatrixProduct) {
  const Cost cost = cost_of(node("MatMul", {tensor({8, 16}), tensor({16, 4})}, tensor({8, 4})));
  EXPECT_TRUE(cost.is_product);
  EXPECT_EQ(cost.operations, 2 * 8 * 16 * 4);
  EXPECT_EQ(cost.bytes, 4 * (8 * 16 + 16 * 4 + 8 * 4));
}

TEST(Cost, OfATransposedFactor) {
  backends::NodeFacts facts = node("MatMul", {tensor({16, 8}), tensor({16, 4})}, tensor({8, 4}));
  facts.attributes.set("trans_a", int64_t{1});
  EXPECT_EQ(cost_of(facts).operations, 2 * 8 * 16 * 4);
}

TEST(Cost, OfAConvolutionWithGroups) {
  const Cost cost = cost_of(
      node("Conv", {tensor({1, 32, 10, 10}), tensor({64, 8, 3, 3})}, tensor({1, 64, 8, 8})));
  EXPECT_EQ(cost.operations, 2.0 * 64 * 8 * 8 * (8 * 3 * 3));
}

// 2 batches of 4 heads, 16 queries, 32 keys of 64: two products and a softmax.
TEST(Cost, OfAttentionInBothLayouts) {
  const double wanted = 2.0 * 4 * 16 * 32 * (2 * (64 + 64) + 5);
  backends::NodeFacts facts =
      node("Attention", {tensor({2, 4, 16, 64}), tensor({2, 4, 32, 64}), tensor({2, 4, 32, 64})},
           tensor({2, 4, 16, 64}));
  facts.attributes.set("layout", std::string("bhsd"));
  EXPECT_EQ(cost_of(facts).operations, wanted);
  facts = node("Attention", {tensor({2, 16, 256}), tensor({2, 32, 256}), tensor({2, 32, 256})},
               tensor({2, 16, 256}));
  facts.attributes.set("layout", std::string("bshd"));
  for (const char* name : {"head_size", "value_size"}) facts.attributes.set(name, int64_t{64});
  facts.attributes.set("heads", int64_t{4});
  EXPECT_EQ(cost_of(facts).operations, wanted);
}

// A table of a million rows, of which eight are read.
TEST(Cost, AGatherReadsWhatItPicks) {
  const Cost cost = cost_of(
      node("Gather", {tensor({1000000, 16}), tensor({8}, DataType::kInt64)}, tensor({8, 16})));
  EXPECT_EQ(cost.bytes, 2 * 8 * 16 * 4 + 8 * 8);
  EXPECT_EQ(cost.operations, 0);
}

TEST(Cost, AnExpressionCountsItsCalls) {
  backends::NodeFacts facts = node("Pointwise", {tensor({10}), tensor({10})}, tensor({10}));
  facts.attributes.set("program", std::string("add(i0,i1);relu(t0);mul(t1,2)"));
  EXPECT_EQ(cost_of(facts).operations, 30);
  EXPECT_FALSE(cost_of(facts).is_product);
}

}  // namespace
}  // namespace penstock::ops
