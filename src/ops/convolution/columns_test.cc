// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Col2Im, MaxUnpool and DeformConv, by hand.
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes lists(
    std::initializer_list<std::pair<const char*, std::vector<int64_t>>> attributes) {
  ir::Attributes result;
  for (const auto& [name, values] : attributes) result.set(name, values);
  return result;
}

TEST(Col2Im, AddsWhereBlocksOverlap) {
  // Blocks of 1 x 2 over an image of 1 x 3: two of them, sharing the middle.
  const OpCase c{
      "Col2Im", {}, {floats({1, 2, 2}, {1, 2, 10, 20}), int64s({2}, {1, 3}), int64s({2}, {1, 2})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 1, 3}, {1, 12, 20})));
}

TEST(Col2Im, StridesAndPads) {
  const OpCase c{"Col2Im",
                 lists({{"strides", {1, 2}}, {"pads", {0, 1, 0, 1}}}),
                 {floats({1, 2, 2}, {1, 2, 10, 20}), int64s({2}, {1, 2}), int64s({2}, {1, 2})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 1, 2}, {10, 2})));
}

TEST(Col2Im, ShapesThatDoNotFitAreErrors) {
  const HostTensor x = floats({1, 2, 2}, {1, 2, 3, 4});
  EXPECT_FALSE(
      reference_status({"Col2Im", {}, {x, int64s({2}, {1, 4}), int64s({2}, {1, 2})}}).is_ok());
  EXPECT_FALSE(
      reference_status({"Col2Im", {}, {x, int64s({2}, {1, 3}), int64s({2}, {0, 2})}}).is_ok());
  const Fact columns = fact(DataType::kFloat32, "batch, 12, 25");
  EXPECT_EQ(infer("Col2Im", {},
                  {columns, constant_fact(int64s({2}, {6, 6})), constant_fact(int64s({2}, {2, 2}))})
                .shape(),
            "[batch, 3, 6, 6]");
}

TEST(MaxUnpool, PutsValuesWhereTheyWere) {
  OpCase c{"MaxUnpool",
           lists({{"kernel_shape", {2, 2}}, {"strides", {2, 2}}}),
           {floats({1, 1, 1, 2}, {5, 6}), int64s({1, 1, 1, 2}, {1, 6})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 4}, {0, 5, 0, 0, 0, 0, 6, 0})));
  c.inputs.push_back(int64s({4}, {1, 1, 2, 5}));
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 5}, {0, 5, 0, 0, 0, 0, 0, 6, 0, 0})));
  c.inputs[2] = int64s({4}, {1, 1, 2, 3});
  EXPECT_FALSE(reference_status(c).is_ok());
}

TEST(MaxUnpool, IndicesOutsideAreErrors) {
  OpCase c{"MaxUnpool",
           lists({{"kernel_shape", {2, 2}}, {"strides", {2, 2}}}),
           {floats({1, 1, 1, 1}, {5}), int64s({1, 1, 1, 1}, {4})}};
  EXPECT_FALSE(reference_status(c).is_ok());
  c.inputs[1] = int64s({1, 1, 1, 1}, {-1});
  EXPECT_FALSE(reference_status(c).is_ok());
  const Fact x = fact(DataType::kFloat32, "batch, 3, h, 4");
  EXPECT_EQ(infer("MaxUnpool", c.attributes, {x, fact(DataType::kInt64, "batch, 3, h, 4")}).shape(),
            "[batch, 3, 2*h, 8]");
}

// A filter of one tap takes the pixel it points at.
TEST(DeformConv, SamplesBetweenPixels) {
  const HostTensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const HostTensor w = floats({1, 1, 1, 1}, {10});
  const HostTensor stay = floats({1, 2, 2, 2}, std::vector<double>(8, 0));
  OpCase c{"DeformConv", {}, {x, w, stay}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 2}, {10, 20, 30, 40})));
  // Half a row down, then half of it outside; one column right.
  c.inputs[2] = floats({1, 2, 2, 2}, {0.5, 0.5, 0.5, 0, 0, 0, 0, 1});
  c.inputs.push_back(floats({1}, {1}));
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 2}, {21, 31, 16, 1})));
  c.inputs.push_back(floats({1, 1, 2, 2}, {1, 0.5, 2, 1}));
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 1, 2, 2}, {21, 16, 31, 1})));
}

TEST(DeformConv, GroupsTakeTheirOwnChannelsAndOffsets) {
  OpCase c{"DeformConv",
           {},
           {floats({1, 2, 1, 2}, {1, 2, 3, 4}), floats({2, 1, 1, 1}, {1, 1}),
            floats({1, 4, 1, 2}, {0, 0, 1, 1, 0, 0, 0, 0})}};
  c.attributes.set("group", int64_t{2});
  c.attributes.set("offset_group", int64_t{2});
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 2, 1, 2}, {2, 0, 3, 4})));
  c.attributes.set("offset_group", int64_t{3});
  EXPECT_FALSE(reference_status(c).is_ok());
  c.attributes.set("offset_group", int64_t{0});
  EXPECT_FALSE(reference_status(c).is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
