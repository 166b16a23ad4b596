// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

std::vector<double> iota(int count) {
  std::vector<double> values(count);
  for (int i = 0; i < count; ++i) values[i] = i;
  return values;
}

HostTensor conv(const ir::Attributes& attributes, std::vector<HostTensor> inputs) {
  return reference({"Conv", attributes, std::move(inputs)}).at(0);
}

TEST(Conv, SumsTheWindow) {
  const HostTensor x = floats({1, 1, 3, 3}, iota(9));
  const HostTensor w = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  EXPECT_TRUE(matches(conv({}, {x, w}), floats({1, 1, 2, 2}, {27, 37, 57, 67})));
}

TEST(Conv, PadsStridesAndDilates) {
  const HostTensor x = floats({1, 1, 5, 5}, iota(25));
  const HostTensor w = floats({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  // The values of ONNX's test_conv_with_strides_padding, without its last two rows.
  EXPECT_TRUE(
      matches(conv(attributes({{"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}), {x, w}),
              floats({1, 1, 3, 3}, {12, 27, 24, 63, 108, 81, 72, 117, 84})));
  EXPECT_TRUE(
      matches(conv(attributes({{"dilations", Ints{2, 2}}}), {x, w}), floats({1, 1, 1, 1}, {108})));
}

TEST(Conv, SplitsSamePadding) {
  const HostTensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const HostTensor w = floats({1, 1, 2}, {1, 10});
  EXPECT_TRUE(matches(conv(attributes({{"auto_pad", std::string("SAME_UPPER")}}), {x, w}),
                      floats({1, 1, 4}, {21, 32, 43, 4})));
  EXPECT_TRUE(matches(conv(attributes({{"auto_pad", std::string("SAME_LOWER")}}), {x, w}),
                      floats({1, 1, 4}, {10, 21, 32, 43})));
  EXPECT_TRUE(matches(conv(attributes({{"auto_pad", std::string("VALID")}}), {x, w}),
                      floats({1, 1, 3}, {21, 32, 43})));
}

TEST(Conv, KeepsGroupsApart) {
  const HostTensor x = floats({1, 4, 1}, {1, 2, 3, 4});
  const HostTensor w = floats({2, 2, 1}, {1, 10, 1, 10});
  EXPECT_TRUE(matches(conv(attributes({{"group", int64_t{2}}}), {x, w, floats({2}, {100, 200})}),
                      floats({1, 2, 1}, {121, 243})));
}

TEST(Conv, RunsTheEpilogueAfterTheBias) {
  const HostTensor x = floats({1, 1, 2}, {1, -2});
  const HostTensor w = floats({2, 1, 1}, {1, -1});
  const HostTensor bias = floats({2}, {0.5, 0.5});
  const HostTensor residual = floats({1, 2, 2}, {1, 1, 1, -9});
  EXPECT_TRUE(
      matches(conv(attributes({{"epilogue", std::string("add(3);relu")}}), {x, w, bias, residual}),
              floats({1, 2, 2}, {2.5, 0, 0.5, 0})));
}

TEST(Conv, TakesThreeSpatialAxesAndHalfFloats) {
  const HostTensor x = tensor(DataType::kFloat16, {1, 1, 2, 2, 2}, iota(8));
  const HostTensor w = tensor(DataType::kFloat16, {1, 1, 2, 2, 2}, std::vector<double>(8, 0.5));
  const OpCase c{"Conv", {}, {x, w}, {DataType::kFloat16}};
  EXPECT_TRUE(matches(reference(c).at(0), tensor(DataType::kFloat16, {1, 1, 1, 1, 1}, {14})));
}

TEST(Conv, InfersSymbolicShapes) {
  const Fact x = fact(DataType::kFloat32, "batch, 3, height, 224");
  const Fact w = fact(DataType::kFloat32, "64, 3, 7, 7");
  const ir::Attributes stem = attributes({{"strides", Ints{2, 2}}, {"pads", Ints{3, 3, 3, 3}}});
  EXPECT_EQ(infer("Conv", stem, {x, w}).shape(), "[batch, 64, floordiv(height - 1, 2) + 1, 112]");
  const ir::Attributes same =
      attributes({{"strides", Ints{1, 1}}, {"auto_pad", std::string("SAME_UPPER")}});
  EXPECT_EQ(infer("Conv", same, {x, w}).shape(), "[batch, 64, height, 224]");
}

TEST(Conv, NamesWhatDoesNotFit) {
  const Fact x = fact(DataType::kFloat32, "1, 4, 8, 8");
  const auto message = [&](const ir::Attributes& attributes, const char* w) {
    return infer("Conv", attributes, {x, fact(DataType::kFloat32, w)}).status.message();
  };
  EXPECT_THAT(message({}, "8, 3, 3, 3"), testing::HasSubstr("channels of x and w: 4 is not 3"));
  EXPECT_THAT(message({}, "8, 4, 9, 9"), testing::HasSubstr("larger than"));
  EXPECT_THAT(message({}, "8, 4, 3"), testing::HasSubstr("another rank"));
  EXPECT_THAT(message(attributes({{"group", int64_t{3}}}), "8, 4, 3, 3"),
              testing::HasSubstr("groups"));
  EXPECT_THAT(message(attributes({{"strides", Ints{0, 1}}}), "8, 4, 3, 3"),
              testing::HasSubstr("strides"));
  EXPECT_THAT(message(attributes({{"epilogue", std::string("add(3)")}}), "8, 4, 3, 3"),
              testing::HasSubstr("input 3, which is no operand"));
}

TEST(ConvTranspose, SpreadsTheInput) {
  const HostTensor x = floats({1, 1, 3, 3}, iota(9));
  const HostTensor w = floats({1, 2, 3, 3}, std::vector<double>(18, 1));
  // ONNX's test_convtranspose.
  const std::vector<double> plane = {0,  1,  3, 3,  2,  3,  8,  15, 12, 7,  9,  21, 36,
                                     27, 15, 9, 20, 33, 24, 13, 6,  13, 21, 15, 8};
  std::vector<double> both = plane;
  both.insert(both.end(), plane.begin(), plane.end());
  EXPECT_TRUE(matches(reference({"ConvTranspose", {}, {x, w}}).at(0), floats({1, 2, 5, 5}, both)));
}

TEST(ConvTranspose, HonoursOutputShapeAndPadding) {
  const HostTensor x = floats({1, 1, 3}, {1, 2, 3});
  const HostTensor w = floats({1, 1, 2}, {1, 10});
  const auto run = [&](const ir::Attributes& attributes) {
    return reference({"ConvTranspose", attributes, {x, w}}).at(0);
  };
  EXPECT_TRUE(
      matches(run(attributes({{"strides", Ints{2}}})), floats({1, 1, 6}, {1, 10, 2, 20, 3, 30})));
  EXPECT_TRUE(matches(run(attributes({{"strides", Ints{2}}, {"pads", Ints{1, 1}}})),
                      floats({1, 1, 4}, {10, 2, 20, 3})));
  EXPECT_TRUE(matches(run(attributes({{"strides", Ints{2}}, {"output_padding", Ints{1}}})),
                      floats({1, 1, 7}, {1, 10, 2, 20, 3, 30, 0})));
  EXPECT_TRUE(matches(run(attributes({{"strides", Ints{2}}, {"output_shape", Ints{5}}})),
                      floats({1, 1, 5}, {10, 2, 20, 3, 30})));
  EXPECT_TRUE(
      matches(run(attributes({{"strides", Ints{2}}, {"auto_pad", std::string("SAME_UPPER")}})),
              floats({1, 1, 6}, {1, 10, 2, 20, 3, 30})));
}

TEST(ConvTranspose, KeepsGroupsApartAndInfersShapes) {
  const HostTensor x = floats({1, 2, 1}, {1, 2});
  const HostTensor w = floats({2, 2, 1}, {1, 10, 1, 10});
  const ir::Attributes grouped = attributes({{"group", int64_t{2}}});
  EXPECT_TRUE(matches(reference({"ConvTranspose", grouped, {x, w}}).at(0),
                      floats({1, 4, 1}, {1, 10, 2, 20})));
  const ir::Attributes doubling = attributes({{"strides", Ints{2, 2}}});
  EXPECT_EQ(infer("ConvTranspose", doubling,
                  {fact(DataType::kFloat32, "n, 8, h, 5"), fact(DataType::kFloat32, "8, 4, 2, 2")})
                .shape(),
            "[n, 4, 2*h, 10]");
}

}  // namespace
}  // namespace penstock::ops::test
