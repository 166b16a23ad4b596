// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

TEST(Det, OfSmallMatrices) {
  const OpCase two{"Det", {}, {floats({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}};
  EXPECT_TRUE(matches(reference(two).at(0), floats({2}, {-2, -1})));
  const OpCase three{"Det", {}, {floats({3, 3}, {0, 2, 1, 3, 0, 1, 1, 1, 0})}};
  EXPECT_TRUE(matches(reference(three).at(0), floats({}, {5})));
  const OpCase singular{"Det", {}, {floats({2, 2}, {1, 2, 2, 4})}};
  EXPECT_TRUE(matches(reference(singular).at(0), floats({}, {0})));
  const OpCase empty{"Det", {}, {floats({0, 0}, {})}};
  EXPECT_TRUE(matches(reference(empty).at(0), floats({}, {1})));
}

TEST(Det, TakesSquareMatrices) {
  EXPECT_FALSE(infer("Det", {}, {fact(DataType::kFloat32, "2, 3")}).status.is_ok());
  EXPECT_FALSE(infer("Det", {}, {fact(DataType::kFloat32, "3")}).status.is_ok());
  EXPECT_FALSE(reference_status({"Det", {}, {floats({2, 3}, {1, 2, 3, 4, 5, 6})}}).is_ok());
  EXPECT_EQ(infer("Det", {}, {fact(DataType::kFloat32, "batch, n, n")}).shape(), "[batch]");
}

}  // namespace
}  // namespace penstock::ops::test
