// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes attributes(int64_t channels, DataType to) {
  ir::Attributes result;
  result.set("channels", channels);
  result.set("to", static_cast<int64_t>(to));
  return result;
}

TEST(PadChannels, ZerosBehindTheChannels) {
  const auto y = reference({"PadChannels",
                            attributes(4, DataType::kFloat16),
                            {floats({2, 3, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})},
                            {DataType::kFloat16}});
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(y[0].shape, (Shape{2, 4, 1, 2}));
  EXPECT_EQ(values_of(y[0]),
            (std::vector<double>{1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0}));
}

TEST(PadChannels, OverManyShapes) {
  uint32_t seed = 0;
  for (const DataType to : {DataType::kFloat16, DataType::kBFloat16, DataType::kFloat32}) {
    for (const int64_t channels : {1, 2, 3, 4}) {
      for (const Shape& size : {Shape{1, 1}, Shape{7, 5}, Shape{16, 24}}) {
        const Shape shape = {3, channels, size[0], size[1]};
        const auto y = reference({"PadChannels",
                                  attributes(4, to),
                                  {random_tensor(DataType::kFloat32, shape, ++seed)},
                                  {to}});
        ASSERT_EQ(y.size(), 1u);
        EXPECT_EQ(y[0].shape[1], 4);
      }
    }
  }
}

TEST(PadChannelsRule, ChangesChannelsAndType) {
  const auto run = [](const Fact& x) {
    return infer("PadChannels", attributes(4, DataType::kFloat16), {x});
  };
  const auto inferred = run(fact(DataType::kFloat32, "n, 3, h, w"));
  EXPECT_EQ(inferred.shape(), "[n, 4, h, w]");
  EXPECT_EQ(inferred.outputs[0].dtype, DataType::kFloat16);
  EXPECT_FALSE(run(fact(DataType::kFloat32, "n, 5, h, w")).status.is_ok());
  EXPECT_FALSE(run(fact(DataType::kInt64, "n, 3, h, w")).status.is_ok());
  EXPECT_FALSE(run(fact(DataType::kFloat32, "n")).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
