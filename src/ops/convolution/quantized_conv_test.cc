// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr auto kInt8 = DataType::kInt8;
constexpr auto kUInt8 = DataType::kUInt8;

ir::Attributes with_result(DataType type, float scale, int64_t zero_point) {
  ir::Attributes attributes;
  attributes.set("output_dtype", static_cast<int64_t>(type));
  attributes.set("y_scale", scale);
  attributes.set("y_zero_point", zero_point);
  return attributes;
}

// x - 1 = {1, 2, 3}, w = {2, -1}: sums {0, 1}.
OpCase line(ir::Attributes attributes, DataType result = DataType::kFloat32) {
  attributes.set("x_zero_point", int64_t{1});
  return {"QuantizedConv",
          std::move(attributes),
          {tensor(kUInt8, {1, 1, 3}, {2, 3, 4}), tensor(kInt8, {1, 1, 2}, {2, -1}), HostTensor(),
           floats({}, {0.5})},
          {result}};
}

TEST(QuantizedConv, SumsScalesAndAddsTheBias) {
  EXPECT_TRUE(matches(reference(line({})).at(0), floats({1, 1, 2}, {0, 0.5})));
  OpCase padded = line({});
  padded.attributes.set("pads", std::vector<int64_t>{1, 1});
  padded.inputs[2] = floats({1}, {10});
  // Padding is the zero point: -1 * 1 in front, 2 * 3 behind.
  EXPECT_TRUE(matches(reference(padded).at(0), floats({1, 1, 4}, {9.5, 10, 10.5, 13})));
}

TEST(QuantizedConv, ScalesEveryChannelByItsOwn) {
  const OpCase c = {"QuantizedConv",
                    {},
                    {tensor(kInt8, {1, 1, 1, 2}, {3, -4}), tensor(kInt8, {2, 1, 1, 1}, {5, -6}),
                     floats({2}, {1, 2}), floats({2}, {0.1, 10})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 2, 1, 2}, {2.5, -1, -178, 242})));
}

TEST(QuantizedConv, RoundsToEvenAndSaturates) {
  OpCase c = line(with_result(kUInt8, 0.2f, 7), kUInt8);
  c.inputs[2] = floats({1}, {-0.1});
  // -0.1 / 0.2 = -0.5 rounds to 0, 0.4 / 0.2 = 2.
  EXPECT_TRUE(matches(reference(c).at(0), tensor(kUInt8, {1, 1, 2}, {7, 9})));
  c.inputs[2] = floats({1}, {-100});
  EXPECT_TRUE(matches(reference(c).at(0), tensor(kUInt8, {1, 1, 2}, {0, 0})));
}

TEST(QuantizedConv, AddsAResidualOf8BitsAfterRoundingItself) {
  OpCase c = line(with_result(kInt8, 1.0f, -2), kInt8);
  c.attributes.set("epilogue", "round(0.4,-5,5);add(4,0.5,3);relu");
  c.inputs.push_back(tensor(kUInt8, {1, 1, 2}, {1, 9}));
  // 0 - 1 is below 0; 0.5 rounds to 0.4, and 3 makes it 3.4.
  EXPECT_TRUE(matches(reference(c).at(0), tensor(kInt8, {1, 1, 2}, {-2, 1})));
}

TEST(QuantizedConv, ComputesInFloat8) {
  constexpr auto kFloat8 = DataType::kFloat8E4M3FN;
  const OpCase c = {"QuantizedConv",
                    with_result(kFloat8, 0.5f, 0),
                    {tensor(kFloat8, {1, 1, 2}, {1.5, -448}), tensor(kFloat8, {1, 1, 1}, {0.25}),
                     HostTensor(), floats({1}, {2})},
                    {kFloat8}};
  EXPECT_TRUE(matches(reference(c).at(0), tensor(kFloat8, {1, 1, 2}, {1.5, -448})));
}

TEST(QuantizedConv, SaysWhatItDoesNotTake) {
  const Fact x = fact(kUInt8, "n, 3, 8, 8");
  const Fact w = fact(kInt8, "4, 3, 3, 3");
  const Fact scale = fact(DataType::kFloat32, "4");
  const auto message = [](const ir::Attributes& attributes, const std::vector<Fact>& inputs) {
    return infer("QuantizedConv", attributes, inputs).status.message();
  };
  const auto result = with_result(kInt8, 0.5f, 0);
  EXPECT_EQ(infer("QuantizedConv", result, {x, w, Fact(), scale}).shape(), "[n, 4, 6, 6]");
  EXPECT_NE(message({}, {x, w, Fact(), fact(DataType::kFloat32, "3")}).find("scales of shape [3]"),
            std::string::npos);
  EXPECT_NE(message({}, {x, fact(kUInt8, "4, 3, 3, 3"), Fact(), scale}).find("takes weights"),
            std::string::npos);
  EXPECT_NE(message(with_result(kInt8, 0.5f, 128), {x, w, Fact(), scale}).find("y_zero_point"),
            std::string::npos);
  EXPECT_NE(message(with_result(kInt8, 0.0f, 0), {x, w, Fact(), scale}).find("y_scale"),
            std::string::npos);
  ir::Attributes epilogue;
  epilogue.set("epilogue", "add(4)");
  EXPECT_NE(message(epilogue, {x, w, Fact(), scale, fact(kInt8, "n, 4, 6, 6")}).find("of 8 bits"),
            std::string::npos);
}

}  // namespace
}  // namespace penstock::ops::test
