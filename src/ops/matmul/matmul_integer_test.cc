// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

HostTensor bytes(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kUInt8, std::move(shape), values);
}

HostTensor product(const std::vector<HostTensor>& inputs) {
  return reference({"MatMulInteger", {}, inputs, {DataType::kInt32}}).at(0);
}

HostTensor int32s(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kInt32, std::move(shape), values);
}

// ONNX's example.
TEST(MatMulInteger, SubtractsZeroPoints) {
  const HostTensor a = bytes({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0});
  const HostTensor b = bytes({3, 2}, {1, 4, 2, 5, 3, 6});
  EXPECT_TRUE(matches(product({a, b, bytes({1}, {12}), bytes({1}, {0})}),
                      int32s({4, 2}, {-38, -83, -44, -98, -50, -113, -56, -128})));
}

TEST(MatMulInteger, OneZeroPointForEachRowOrColumn) {
  const HostTensor a = bytes({2, 2}, {5, 6, 7, 8});
  const HostTensor b = tensor(DataType::kInt8, {2, 2}, {1, -2, 3, -4});
  const HostTensor rows = bytes({2}, {5, 7});
  // a - rows = [[0, 1], [0, 1]]; b - columns = [[1, -1], [3, -3]]
  const HostTensor columns = tensor(DataType::kInt8, {2}, {0, -1});
  EXPECT_TRUE(matches(product({a, b, rows, columns}), int32s({2, 2}, {3, -3, 3, -3})));
  // The same, told by shape.
  EXPECT_TRUE(
      matches(product({a, b, bytes({2, 1}, {5, 7}), tensor(DataType::kInt8, {1, 2}, {0, -1})}),
              int32s({2, 2}, {3, -3, 3, -3})));
}

TEST(MatMulInteger, BroadcastsBatchesAndIsExact) {
  const std::vector<double> many(70000, 255);
  EXPECT_TRUE(matches(product({bytes({1, 70000}, many), bytes({70000, 1}, many)}),
                      int32s({1, 1}, {70000.0 * 255 * 255 - 0x1p32})));  // wraps around
  const HostTensor a = bytes({2, 1, 2}, {1, 2, 3, 4});
  EXPECT_TRUE(matches(product({a, bytes({2}, {1, 10})}), int32s({2, 1}, {21, 43})));
}

TEST(MatMulInteger, RefusesOtherTypesAndMisfits) {
  const auto of = [](DataType type, std::string_view b) {
    return infer("MatMulInteger", {}, {fact(type, "n, 4"), fact(DataType::kInt8, b)});
  };
  EXPECT_EQ(of(DataType::kUInt8, "4, 5").shape(), "[n, 5]");
  EXPECT_EQ(of(DataType::kUInt8, "4, 5").outputs[0].dtype, DataType::kInt32);
  EXPECT_FALSE(of(DataType::kInt32, "4, 5").status.is_ok());
  EXPECT_FALSE(of(DataType::kUInt8, "3, 5").status.is_ok());
  EXPECT_FALSE(
      reference_status({"MatMulInteger",
                        {},
                        {bytes({1, 2}, {1, 2}), bytes({2, 1}, {1, 2}), bytes({3}, {1, 2, 3})},
                        {DataType::kInt32}})
          .is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
