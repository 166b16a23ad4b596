// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

OpCase two_tokens(const char* mode, std::vector<double> first) {
  OpCase c{"TensorScatter",
           {},
           {floats({2, 3, 1}, {1, 2, 3, 4, 5, 6}), floats({2, 2, 1}, {10, 20, 30, 40}),
            int64s({2}, first)}};
  c.attributes.set("mode", std::string(mode));
  return c;
}

TEST(TensorScatter, WritesFromEachPlaceOn) {
  EXPECT_TRUE(matches(reference(two_tokens("linear", {1, 0})).at(0),
                      floats({2, 3, 1}, {1, 10, 20, 30, 40, 6})));
  OpCase from_start = two_tokens("linear", {0, 0});
  from_start.inputs.resize(2);
  EXPECT_TRUE(matches(reference(from_start).at(0), floats({2, 3, 1}, {10, 20, 3, 30, 40, 6})));
}

TEST(TensorScatter, CircularWrapsAround) {
  EXPECT_TRUE(matches(reference(two_tokens("circular", {2, -1})).at(0),
                      floats({2, 3, 1}, {20, 2, 10, 40, 5, 30})));
}

TEST(TensorScatter, PlacesOutsideAreErrors) {
  EXPECT_FALSE(reference_status(two_tokens("linear", {2, 0})).is_ok());
  EXPECT_FALSE(reference_status(two_tokens("linear", {-1, 0})).is_ok());
  EXPECT_FALSE(reference_status(two_tokens("linear", {9e18, 0})).is_ok());
  const Fact cache = fact(DataType::kFloat32, "batch, 4, places, 8");
  ir::Attributes batch_axis;
  batch_axis.set("axis", int64_t{0});
  EXPECT_FALSE(infer("TensorScatter", batch_axis, {cache, cache}).status.is_ok());
  EXPECT_EQ(infer("TensorScatter", {}, {cache, cache}).shape(), "[batch, 4, places, 8]");
}

}  // namespace
}  // namespace penstock::ops::test
