// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

TEST(Testing, ConvertsLiteralsToEveryType) {
  EXPECT_EQ(values_of(tensor(DataType::kBFloat16, {2}, {1.5, -2})), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(values_of(tensor(DataType::kBool, {2}, {3, 0})), (std::vector<double>{1, 0}));
  EXPECT_EQ(values_of(int64s({}, {7})), (std::vector<double>{7}));
}

TEST(Testing, NamesTheFirstDifference) {
  const auto result = matches(floats({2, 2}, {1, 2, 3, 5}), floats({2, 2}, {1, 2, 4, 5}));
  EXPECT_FALSE(result);
  EXPECT_NE(std::string(result.message()).find("[1, 0]"), std::string::npos) << result.message();
}

TEST(Testing, LayoutsPadChannelsAndComeBack) {
  const HostTensor x = floats({1, 3, 1, 2}, {1, 2, 3, 4, 5, 6});
  const HostTensor last = to_layout(x, ir::Layout::kChannelsLast);
  EXPECT_EQ(static_cast<const float*>(last.data())[1], 3);
  const HostTensor blocked = to_layout(x, ir::Layout::kBlocked8);
  EXPECT_EQ(blocked.storage->bytes, 16 * sizeof(float));
  EXPECT_EQ(static_cast<const float*>(blocked.data())[8], 2);
  EXPECT_TRUE(matches(from_layout(blocked, ir::Layout::kBlocked8), x));
}

TEST(Testing, ReadsExtents) {
  EXPECT_EQ(ir::to_string(dims("batch, floordiv(seq, 2), 3")), "[batch, floordiv(seq, 2), 3]");
  EXPECT_TRUE(dims("").empty());
}

}  // namespace
}  // namespace penstock::ops::test
