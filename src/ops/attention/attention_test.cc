// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes attention(const char* layout, int64_t heads, int64_t head_size) {
  ir::Attributes attributes;
  attributes.set("layout", std::string(layout));
  attributes.set("heads", heads);
  attributes.set("head_size", head_size);
  return attributes;
}

// One head of size 1: scores are q * k, so that ln 3 weighs 3 : 1 against 0.
const double kLog3 = std::log(3.0);

TEST(Attention, WeighsValues) {
  const OpCase c{"Attention",
                 attention("bhsd", 1, 1),
                 {floats({1, 1, 2, 1}, {1, 0}), floats({1, 1, 2, 1}, {kLog3, 0}),
                  floats({1, 1, 2, 1}, {4, 8})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 1}, {5, 6})));
}

TEST(Attention, MasksAddOrKeep) {
  OpCase c{"Attention",
           attention("bhsd", 1, 1),
           {floats({1, 1, 2, 1}, {1, 0}), floats({1, 1, 2, 1}, {kLog3, 0}),
            floats({1, 1, 2, 1}, {4, 8}), floats({1, 2}, {-kLog3, 0})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 1}, {6, 7})));
  c.inputs[3] = tensor(DataType::kBool, {2, 2}, {1, 0, 0, 0});
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 1}, {4, std::nan("")})));
  c.attributes.set("nan_to_zero", int64_t{1});
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 1}, {4, 0})));
}

TEST(Attention, CausalAlignsTheLastQueryWithTheLastKey) {
  OpCase c{"Attention",
           attention("bhsd", 1, 1),
           {floats({1, 1, 2, 1}, {0, 0}), floats({1, 1, 3, 1}, {0, 0, 0}),
            floats({1, 1, 3, 1}, {2, 4, 9})}};
  c.attributes.set("causal", int64_t{1});
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 1}, {3, 5})));
}

TEST(Attention, MasksRepeatOverTheBatch) {
  OpCase c{"Attention",
           attention("bhsd", 1, 1),
           {floats({4, 1, 1, 1}, {0, 0, 0, 0}), floats({4, 1, 2, 1}, std::vector<double>(8, 0)),
            floats({4, 1, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8}),
            tensor(DataType::kBool, {2, 1, 1, 2}, {1, 0, 0, 1})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({4, 1, 1, 1}, {1, 4, 5, 8})));
  c.inputs[3] = tensor(DataType::kBool, {3, 1, 1, 2}, {1, 0, 0, 1, 1, 1});
  EXPECT_FALSE(reference_status(c).is_ok());
}

// One packed [B, S, 3 * heads * size] product serves as q, k and v.
TEST(Attention, PackedProductEqualsSeparateHeads) {
  const int64_t batch = 2, seq = 3, heads = 2, size = 4;
  const HostTensor packed = random_tensor(DataType::kFloat32, {batch, seq, 3 * heads * size}, 7);
  OpCase fused{"Attention", attention("bshd", heads, size), {packed, packed, packed}};
  fused.attributes.set("offsets", std::vector<int64_t>{0, heads * size, 2 * heads * size});
  const std::vector<double> got = values_of(reference(fused).at(0));

  const std::vector<double> source = values_of(packed);
  std::vector<HostTensor> parts;
  for (int64_t part = 0; part < 3; ++part) {
    std::vector<double> values;
    for_each_index({batch, heads, seq, size}, [&](const std::vector<int64_t>& at) {
      values.push_back(
          source[((at[0] * seq + at[2]) * 3 + part) * heads * size + at[1] * size + at[3]]);
    });
    parts.push_back(floats({batch, heads, seq, size}, values));
  }
  const HostTensor split = reference({"Attention", attention("bhsd", heads, size), parts}).at(0);
  const std::vector<double> expected = values_of(split);
  size_t i = 0;
  for_each_index({batch, heads, seq, size}, [&](const std::vector<int64_t>& at) {
    EXPECT_NEAR(got[((at[0] * seq + at[2]) * heads + at[1]) * size + at[3]], expected[i++], 1e-6);
  });
}

TEST(Attention, InfersShapes) {
  const Fact q = fact(DataType::kFloat32, "batch, seq, 24");
  ir::Attributes attributes = attention("bshd", 2, 4);
  attributes.set("value_size", int64_t{5});
  EXPECT_EQ(infer("Attention", attributes, {q, q, q}).shape(), "[batch, seq, 10]");
  const Fact heads = fact(DataType::kFloat32, "batch, 2, seq, 4");
  EXPECT_EQ(infer("Attention", attention("bhsd", 2, 4), {heads, heads, heads}).shape(),
            "[batch, 2, seq, 4]");
  EXPECT_FALSE(infer("Attention", {}, {heads, heads, heads}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
