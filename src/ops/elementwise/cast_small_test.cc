// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

HostTensor cast(const HostTensor& x, DataType to, bool saturate = true,
                const std::string& round_mode = "up") {
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(to));
  attributes.set("saturate", int64_t{saturate ? 1 : 0});
  attributes.set("round_mode", round_mode);
  return reference({"Cast", attributes, {x}, {to}}).at(0);
}

std::vector<int> bits_of(const HostTensor& tensor) {
  const auto* bits = static_cast<const uint8_t*>(tensor.data());
  return {bits, bits + element_count(tensor.shape)};
}

using Bits = std::vector<int>;

TEST(CastSmall, FloatsRoundAndSaturate) {
  const HostTensor x = floats({5}, {1.0625, -0.0, 1000, -kInfinity, 3});
  EXPECT_EQ(bits_of(cast(x, DataType::kFloat8E4M3FN)), (Bits{0x38, 0x80, 0x7e, 0xfe, 0x44}));
  EXPECT_EQ(bits_of(cast(x, DataType::kFloat8E4M3FN, false)), (Bits{0x38, 0x80, 0x7f, 0xff, 0x44}));
  EXPECT_EQ(bits_of(cast(x, DataType::kFloat8E5M2, false)), (Bits{0x3c, 0x80, 0x64, 0xfc, 0x42}));
  EXPECT_EQ(bits_of(cast(x, DataType::kFloat4E2M1)), (Bits{0x2, 0x8, 0x7, 0xf, 0x5}));
}

TEST(CastSmall, PowersOfTwoRoundAsTold) {
  const HostTensor x = floats({2}, {1.25, 0.75});
  const DataType type = DataType::kFloat8E8M0;
  EXPECT_EQ(bits_of(cast(x, type)), (Bits{128, 127}));
  EXPECT_EQ(bits_of(cast(x, type, true, "down")), (Bits{127, 126}));
  EXPECT_EQ(bits_of(cast(x, type, true, "nearest")), (Bits{127, 127}));
}

TEST(CastSmall, IntegersKeepTheirLowBits) {
  const HostTensor x = tensor(DataType::kInt16, {4}, {-1, 9, 17, 6});
  EXPECT_EQ(values_of(cast(x, DataType::kInt4)), (std::vector<double>{-1, -7, 1, 6}));
  EXPECT_EQ(values_of(cast(x, DataType::kUInt4)), (std::vector<double>{15, 9, 1, 6}));
  EXPECT_EQ(values_of(cast(x, DataType::kInt2)), (std::vector<double>{-1, 1, 1, -2}));
  EXPECT_EQ(values_of(cast(floats({2}, {-1.5, 2.9}), DataType::kInt4)),
            (std::vector<double>{-1, 2}));
}

TEST(CastSmall, BackToTheLargeTypes) {
  const HostTensor x = tensor(DataType::kInt4, {3}, {-8, 0, 7});
  EXPECT_TRUE(matches(cast(x, DataType::kFloat16), tensor(DataType::kFloat16, {3}, {-8, 0, 7})));
  EXPECT_TRUE(matches(cast(x, DataType::kInt64), int64s({3}, {-8, 0, 7})));
  EXPECT_TRUE(matches(cast(x, DataType::kBool), tensor(DataType::kBool, {3}, {1, 0, 1})));
  const HostTensor y = tensor(DataType::kFloat8E5M2, {2}, {0.5, -2});
  EXPECT_TRUE(matches(cast(y, DataType::kFloat32), floats({2}, {0.5, -2})));
  EXPECT_TRUE(matches(cast(y, DataType::kInt8), tensor(DataType::kInt8, {2}, {0, -2})));
}

TEST(CastSmall, BetweenSmallTypes) {
  const HostTensor x = tensor(DataType::kFloat8E4M3FN, {3}, {1.5, -6, 448});
  EXPECT_TRUE(
      matches(cast(x, DataType::kFloat4E2M1), tensor(DataType::kFloat4E2M1, {3}, {1.5, -6, 6})));
  EXPECT_TRUE(matches(cast(tensor(DataType::kUInt4, {2}, {15, 3}), DataType::kInt4),
                      tensor(DataType::kInt4, {2}, {-1, 3})));
}

TEST(CastSmall, RefusesUnknownRounding) {
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(DataType::kFloat8E8M0));
  attributes.set("round_mode", "sideways");
  const Inferred inferred = infer("Cast", attributes, {fact(DataType::kFloat32, "n")});
  EXPECT_NE(inferred.status.message().find("sideways"), std::string::npos);
}

}  // namespace
}  // namespace penstock::ops::test
