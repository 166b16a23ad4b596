// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

OpCase grid(std::vector<double> theta, int64_t align_corners) {
  OpCase c{"AffineGrid", {}, {floats({1, 2, 3}, theta), int64s({4}, {1, 1, 2, 3})}};
  c.attributes.set("align_corners", align_corners);
  return c;
}

TEST(AffineGrid, RunsOverCornersOrCentres) {
  EXPECT_TRUE(matches(reference(grid({1, 0, 0, 0, 1, 0}, 1)).at(0),
                      floats({1, 2, 3, 2}, {-1, -1, 0, -1, 1, -1, -1, 1, 0, 1, 1, 1})));
  EXPECT_TRUE(matches(reference(grid({3, 0, 0, 0, 2, 0}, 0)).at(0),
                      floats({1, 2, 3, 2}, {-2, -1, 0, -1, 2, -1, -2, 1, 0, 1, 2, 1})));
  // x from y, and y from x plus 5.
  EXPECT_TRUE(matches(reference(grid({0, 1, 0, 1, 0, 5}, 1)).at(0),
                      floats({1, 2, 3, 2}, {-1, 4, -1, 5, -1, 6, 1, 4, 1, 5, 1, 6})));
}

TEST(AffineGrid, SizesThatDoNotFitAreErrors) {
  OpCase c = grid({1, 0, 0, 0, 1, 0}, 1);
  c.inputs[1] = int64s({4}, {2, 1, 2, 3});
  EXPECT_FALSE(reference_status(c).is_ok());
  c.inputs[1] = int64s({4}, {1, 1, -2, 3});
  EXPECT_FALSE(reference_status(c).is_ok());
  const Fact theta = fact(DataType::kFloat32, "n, 2, 3");
  EXPECT_EQ(infer("AffineGrid", {}, {theta, contents_fact("n, 3, h, w")}).shape(), "[n, h, w, 2]");
  EXPECT_FALSE(infer("AffineGrid", {}, {theta, contents_fact("n, 3, h")}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
