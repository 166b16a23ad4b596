// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Heads of size 1, so that the state is a number.
#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

const double kHalf = std::log(0.5);

OpCase two_tokens(const char* rule, int64_t query_heads = 1) {
  OpCase c{"LinearAttention",
           {},
           {floats({1, 2, query_heads},
                   query_heads == 1 ? std::vector<double>{1, 2} : std::vector<double>{1, 2, 2, 4}),
            floats({1, 2, 1}, {3, 1}), floats({1, 2, 1}, {2, 5})},
           {DataType::kFloat32, DataType::kFloat32}};
  c.attributes.set("update_rule", std::string(rule));
  c.attributes.set("q_num_heads", query_heads);
  c.attributes.set("kv_num_heads", int64_t{1});
  c.attributes.set("scale", 1.0f);
  return c;
}

TEST(LinearAttention, StateSumsKeysTimesValues) {
  const std::vector<HostTensor> y = reference(two_tokens("linear"));
  EXPECT_TRUE(matches(y.at(0), floats({1, 2, 1}, {6, 22})));
  EXPECT_TRUE(matches(y.at(1), floats({1, 1, 1, 1}, {11})));
}

TEST(LinearAttention, QueriesShareHeads) {
  EXPECT_TRUE(
      matches(reference(two_tokens("linear", 2)).at(0), floats({1, 2, 2}, {6, 12, 22, 44})));
}

TEST(LinearAttention, GatesForgetAndDeltasCorrect) {
  OpCase gated = two_tokens("gated");
  gated.inputs.resize(5);
  gated.inputs[4] = floats({1, 2, 1}, {kHalf, kHalf});
  EXPECT_TRUE(matches(reference(gated).at(0), floats({1, 2, 1}, {6, 16})));

  OpCase delta = two_tokens("delta");
  delta.inputs.resize(6);
  delta.inputs[5] = floats({1, 2, 1}, {0.5, 0.5});
  EXPECT_TRUE(matches(reference(delta).at(0), floats({1, 2, 1}, {3, 8})));

  OpCase both = two_tokens("gated_delta");
  both.inputs.resize(6);
  both.inputs[3] = floats({1, 1, 1, 1}, {10});
  both.inputs[4] = floats({1, 2, 1}, {kHalf, 0});
  both.inputs[5] = floats({1, 2, 1}, {1, 0});
  EXPECT_TRUE(matches(reference(both).at(0), floats({1, 2, 1}, {-34, -68})));
}

TEST(LinearAttention, ContradictionsAreErrors) {
  OpCase wrong = two_tokens("linear");
  wrong.inputs[1] = floats({1, 3, 1}, {3, 1, 1});
  EXPECT_FALSE(reference_status(wrong).is_ok());
  const Fact x = fact(DataType::kFloat32, "batch, n, 8");
  ir::Attributes attributes;
  attributes.set("q_num_heads", int64_t{4});
  attributes.set("kv_num_heads", int64_t{2});
  EXPECT_FALSE(infer("LinearAttention", attributes, {x, x, x}, 2).status.is_ok());  // needs decay
  attributes.set("update_rule", std::string("linear"));
  EXPECT_EQ(infer("LinearAttention", attributes, {x, x, x}, 2).shape(), "[batch, n, 16]");
  EXPECT_EQ(infer("LinearAttention", attributes, {x, x, x}, 2).shape(1), "[batch, 2, 2, 4]");
  attributes.set("kv_num_heads", int64_t{0});
  EXPECT_FALSE(infer("LinearAttention", attributes, {x, x, x}, 2).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
