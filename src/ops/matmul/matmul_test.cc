// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

HostTensor matmul(const ir::Attributes& attributes, std::vector<HostTensor> inputs) {
  const DataType type = inputs[0].dtype;
  return reference({"MatMul", attributes, std::move(inputs), {type}}).at(0);
}

TEST(MatMul, MultipliesMatrices) {
  const HostTensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const HostTensor b = floats({3, 2}, {1, 10, 2, 20, 3, 30});
  EXPECT_TRUE(matches(matmul({}, {a, b}), floats({2, 2}, {14, 140, 32, 320})));
}

TEST(MatMul, TransposesEitherSide) {
  const HostTensor a = floats({3, 2}, {1, 4, 2, 5, 3, 6});
  const HostTensor b = floats({2, 3}, {1, 2, 3, 10, 20, 30});
  const ir::Attributes both = attributes({{"trans_a", int64_t{1}}, {"trans_b", int64_t{1}}});
  EXPECT_TRUE(matches(matmul(both, {a, b}), floats({2, 2}, {14, 140, 32, 320})));
}

TEST(MatMul, TreatsVectorsAsNumpyDoes) {
  const HostTensor v = floats({2}, {1, 2});
  const HostTensor m = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_TRUE(matches(matmul({}, {v, v}), floats({}, {5})));
  EXPECT_TRUE(matches(matmul({}, {v, m}), floats({2}, {7, 10})));
  EXPECT_TRUE(matches(matmul({}, {m, v}), floats({2}, {5, 11})));
}

TEST(MatMul, BroadcastsBatches) {
  const HostTensor a = floats({2, 1, 1, 2}, {1, 2, 3, 4});
  const HostTensor b = floats({3, 2, 1}, {1, 1, 10, 10, 1, 0});
  EXPECT_TRUE(matches(matmul({}, {a, b}), floats({2, 3, 1, 1}, {3, 30, 1, 7, 70, 3})));
}

TEST(MatMul, ScalesThenAddsBiasThenRunsTheEpilogue) {
  const HostTensor a = floats({1, 2}, {1, 2});
  const HostTensor b = floats({2, 2}, {1, -1, 1, -1});
  const HostTensor bias = floats({2}, {1, 1});
  const HostTensor scale = floats({1, 1}, {2});
  EXPECT_TRUE(
      matches(matmul(attributes({{"alpha", 0.5f}, {"epilogue", std::string("mul(3);relu")}}),
                     {a, b, bias, scale}),
              floats({1, 2}, {5, 0})));
}

TEST(MatMul, WrapsIntegers) {
  const HostTensor a = tensor(DataType::kInt8, {1, 2}, {100, -3});
  const HostTensor b = tensor(DataType::kInt8, {2, 1}, {2, 5});
  EXPECT_TRUE(matches(matmul({}, {a, b}), tensor(DataType::kInt8, {1, 1}, {-71})));
  const HostTensor large = tensor(DataType::kInt64, {1, 1}, {1 << 20});
  EXPECT_TRUE(
      matches(matmul({}, {large, large}), tensor(DataType::kInt64, {1, 1}, {1099511627776.0})));
}

TEST(MatMul, TakesHalfAndDouble) {
  for (DataType type : {DataType::kFloat16, DataType::kBFloat16, DataType::kFloat64}) {
    const HostTensor a = tensor(type, {1, 2}, {1, 2});
    const HostTensor b = tensor(type, {2, 1}, {3, 0.5});
    EXPECT_TRUE(matches(matmul({}, {a, b}), tensor(type, {1, 1}, {4})));
  }
}

TEST(MatMul, AnEmptySumIsTheBias) {
  EXPECT_TRUE(matches(matmul({}, {floats({2, 0}, {}), floats({0, 1}, {}), floats({1}, {7})}),
                      floats({2, 1}, {7, 7})));
}

TEST(MatMul, InfersSymbolicShapes) {
  const auto shape = [](const char* a, const char* b, const ir::Attributes& attributes) {
    return infer("MatMul", attributes, {fact(DataType::kFloat32, a), fact(DataType::kFloat32, b)})
        .shape();
  };
  EXPECT_EQ(shape("batch, seq, 768", "768, 3072", {}), "[batch, seq, 3072]");
  EXPECT_EQ(
      shape("batch, 12, seq, 64", "batch, 12, seq, 64", attributes({{"trans_b", int64_t{1}}})),
      "[batch, 12, seq, seq]");
  EXPECT_EQ(shape("4", "n, 4, 5", {}), "[n, 5]");
}

TEST(MatMul, NamesWhatDoesNotFit) {
  const auto message = [](const char* a, const char* b) {
    return infer("MatMul", {}, {fact(DataType::kFloat32, a), fact(DataType::kFloat32, b)})
        .status.message();
  };
  EXPECT_THAT(message("2, 3", "2, 3"), testing::HasSubstr("inner extents of [2, 3] and [2, 3]"));
  EXPECT_THAT(message("2, 2, 3", "4, 3, 1"), testing::HasSubstr("do not broadcast"));
  EXPECT_THAT(
      infer("MatMul", {}, {fact(DataType::kFloat32, "2, 3"), fact(DataType::kInt32, "3, 1")})
          .status.message(),
      testing::HasSubstr("a is float32, b is int32"));
}

}  // namespace
}  // namespace penstock::ops::test
