// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

HostTensor bytes(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kUInt8, std::move(shape), values);
}

HostTensor int32s(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kInt32, std::move(shape), values);
}

HostTensor conv(const std::vector<HostTensor>& inputs, const ir::Attributes& attributes = {}) {
  return reference({"ConvInteger", attributes, inputs, {DataType::kInt32}}).at(0);
}

// ONNX's examples.
TEST(ConvInteger, PaddingIsTheZeroPoint) {
  const HostTensor x = bytes({1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10});
  const HostTensor w = bytes({1, 1, 2, 2}, {1, 1, 1, 1});
  const HostTensor zero = bytes({}, {1});
  EXPECT_TRUE(matches(conv({x, w, zero}), int32s({1, 1, 2, 2}, {12, 16, 24, 28})));
  ir::Attributes padded;
  padded.set("pads", std::vector<int64_t>{1, 1, 1, 1});
  EXPECT_TRUE(
      matches(conv({x, w, zero}, padded),
              int32s({1, 1, 4, 4}, {1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9})));
}

TEST(ConvInteger, OneZeroPointForEachFilter) {
  const HostTensor x = tensor(DataType::kInt8, {1, 2, 2}, {-1, 2, 3, 4});
  const HostTensor w = tensor(DataType::kInt8, {2, 1, 1}, {5, -6});
  ir::Attributes grouped;
  grouped.set("group", int64_t{2});
  const HostTensor zeros = tensor(DataType::kInt8, {2}, {3, -7});
  EXPECT_TRUE(
      matches(conv({x, w, HostTensor(), zeros}, grouped), int32s({1, 2, 2}, {-2, 4, 3, 4})));
  const OpCase misfit = {"ConvInteger",
                         grouped,
                         {x, w, HostTensor(), tensor(DataType::kInt8, {3}, {1, 2, 3})},
                         {DataType::kInt32}};
  EXPECT_FALSE(reference_status(misfit).is_ok());
}

TEST(ConvInteger, RefusesFloats) {
  const Fact w = fact(DataType::kUInt8, "4, 3, 2, 2");
  EXPECT_EQ(infer("ConvInteger", {}, {fact(DataType::kInt8, "n, 3, 8, 8"), w}).shape(),
            "[n, 4, 7, 7]");
  EXPECT_FALSE(
      infer("ConvInteger", {}, {fact(DataType::kFloat32, "n, 3, 8, 8"), w}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
