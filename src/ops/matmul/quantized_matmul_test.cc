// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr auto kInt8 = DataType::kInt8;
constexpr auto kUInt8 = DataType::kUInt8;

TEST(QuantizedMatMul, SumsScalesAndAddsTheBias) {
  OpCase c = {"QuantizedMatMul",
              {},
              {tensor(kUInt8, {1, 2, 2}, {1, 2, 3, 4}), tensor(kInt8, {2, 3}, {1, 0, -1, 2, 1, 0}),
               floats({3}, {0, 1, 2}), floats({3}, {1, 0.5, 2})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 2, 3}, {5, 2, 0, 11, 3, -4})));
  c.attributes.set("x_zero_point", int64_t{2});
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 2, 3}, {-1, 1, 4, 5, 2, 0})));
  c.attributes.set("output_dtype", static_cast<int64_t>(kInt8));
  c.attributes.set("y_scale", 0.25f);
  c.attributes.set("epilogue", "clip(-0.5,1)");
  c.output_types = {kInt8};
  EXPECT_TRUE(matches(reference(c).at(0), tensor(kInt8, {1, 2, 3}, {-2, 4, 4, 4, 4, 0})));
}

TEST(QuantizedMatMul, TakesTwoActivationsWithZeroPoints) {
  OpCase c = {"QuantizedMatMul",
              {},
              {tensor(kUInt8, {2, 1, 2}, {128, 130, 127, 129}),
               tensor(kUInt8, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), HostTensor(), floats({}, {1})}};
  c.attributes.set("x_zero_point", int64_t{128});
  c.attributes.set("w_zero_point", int64_t{2});
  c.attributes.set("trans_b", int64_t{1});
  // {0, 2} x {{-1, 0}, {1, 2}}^T, {-1, 1} x {{3, 4}, {5, 6}}^T
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 1, 2}, {0, 4, 1, 1})));
}

TEST(QuantizedMatMul, RefusesFloatsAndMissingScales) {
  const Fact x = fact(kInt8, "n, 8");
  EXPECT_FALSE(
      infer("QuantizedMatMul", {}, {x, fact(kInt8, "8, 4"), Fact(), Fact()}).status.is_ok());
  EXPECT_FALSE(infer("QuantizedMatMul", {},
                     {x, fact(DataType::kFloat32, "8, 4"), Fact(), fact(DataType::kFloat32, "")})
                   .status.is_ok());
  EXPECT_EQ(
      infer("QuantizedMatMul", {}, {x, fact(kInt8, "8, 4"), Fact(), fact(DataType::kFloat32, "4")})
          .shape(),
      "[n, 4]");
}

}  // namespace
}  // namespace penstock::ops::test
