// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

HostTensor pool(const char* op, const ir::Attributes& attributes, const HostTensor& x) {
  return reference({op, attributes, {x}, {x.dtype}}).at(0);
}

std::vector<double> iota(int count) {
  std::vector<double> values(count);
  for (int i = 0; i < count; ++i) values[i] = i + 1;
  return values;
}

TEST(MaxPool, TakesTheLargest) {
  const HostTensor x = floats({1, 1, 4, 4}, iota(16));
  EXPECT_TRUE(matches(
      pool("MaxPool", attributes({{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}), x),
      floats({1, 1, 2, 2}, {6, 8, 14, 16})));
  EXPECT_TRUE(matches(
      pool("MaxPool", attributes({{"kernel_shape", Ints{2, 2}}, {"dilations", Ints{2, 2}}}), x),
      floats({1, 1, 2, 2}, {11, 12, 15, 16})));
  const HostTensor bytes = tensor(DataType::kInt8, {1, 1, 3}, {-5, -7, -6});
  EXPECT_TRUE(
      matches(pool("MaxPool", attributes({{"kernel_shape", Ints{2}}, {"pads", Ints{1, 1}}}), bytes),
              tensor(DataType::kInt8, {1, 1, 4}, {-5, -5, -6, -6})));
}

TEST(MaxPool, RoundsUpButNeverStartsInThePadding) {
  const auto shape = [](const char* extents, Ints kernel, Ints strides, Ints pads) {
    return infer("MaxPool",
                 attributes({{"kernel_shape", kernel},
                             {"strides", strides},
                             {"pads", pads},
                             {"ceil_mode", int64_t{1}}}),
                 {fact(DataType::kFloat32, extents)})
        .shape();
  };
  EXPECT_EQ(shape("1, 1, 4, 4", {3, 3}, {2, 2}, {0, 0, 0, 0}), "[1, 1, 2, 2]");
  EXPECT_EQ(shape("1, 1, 2, 2", {1, 1}, {2, 2}, {0, 0, 0, 0}), "[1, 1, 1, 1]");
  EXPECT_EQ(shape("1, 1, 5", {2}, {3}, {1, 1}), "[1, 1, 2]");
}

TEST(MaxPool, GivesIndicesInEitherOrder) {
  const HostTensor x = floats({1, 1, 2, 3}, {1, 6, 2, 5, 3, 4});
  const std::vector<DataType> types = {DataType::kFloat32, DataType::kInt64};
  const Ints kernel = {2, 2};
  const auto rows = reference({"MaxPool", attributes({{"kernel_shape", kernel}}), {x}, types});
  EXPECT_TRUE(matches(rows.at(1), int64s({1, 1, 1, 2}, {1, 1})));
  const auto columns =
      reference({"MaxPool",
                 attributes({{"kernel_shape", kernel}, {"storage_order", int64_t{1}}}),
                 {x},
                 types});
  EXPECT_TRUE(matches(columns.at(1), int64s({1, 1, 1, 2}, {2, 2})));
}

TEST(AveragePool, CountsPaddingOnlyWhereAsked) {
  const HostTensor x = floats({1, 1, 3}, {2, 4, 6});
  const Ints kernel = {2};
  const Ints pads = {1, 1};
  EXPECT_TRUE(
      matches(pool("AveragePool", attributes({{"kernel_shape", kernel}, {"pads", pads}}), x),
              floats({1, 1, 4}, {2, 3, 5, 6})));
  EXPECT_TRUE(matches(
      pool(
          "AveragePool",
          attributes({{"kernel_shape", kernel}, {"pads", pads}, {"count_include_pad", int64_t{1}}}),
          x),
      floats({1, 1, 4}, {1, 3, 5, 3})));
}

TEST(AveragePool, DoesNotCountWhatCeilModeAdds) {
  const HostTensor x = floats({1, 1, 4, 4}, iota(16));
  // ONNX's test_averagepool_2d_ceil.
  for (int64_t include : {0, 1}) {
    EXPECT_TRUE(matches(pool("AveragePool",
                             attributes({{"kernel_shape", Ints{3, 3}},
                                         {"strides", Ints{2, 2}},
                                         {"ceil_mode", int64_t{1}},
                                         {"count_include_pad", include}}),
                             x),
                        floats({1, 1, 2, 2}, {6, 7.5, 12, 13.5})));
  }
}

TEST(LpPool, IsANorm) {
  const HostTensor x = floats({1, 1, 3}, {3, -4, 0});
  EXPECT_TRUE(matches(pool("LpPool", attributes({{"kernel_shape", Ints{2}}}), x),
                      floats({1, 1, 2}, {5, 4})));
  EXPECT_TRUE(matches(pool("LpPool", attributes({{"kernel_shape", Ints{2}}, {"p", int64_t{1}}}), x),
                      floats({1, 1, 2}, {7, 4})));
}

TEST(GlobalPool, ReducesEachPlane) {
  const HostTensor x = floats({1, 2, 2, 2}, {1, 2, 3, 4, -1, -2, -3, -6});
  EXPECT_TRUE(matches(pool("GlobalAveragePool", {}, x), floats({1, 2, 1, 1}, {2.5, -3})));
  EXPECT_TRUE(matches(pool("GlobalMaxPool", {}, x), floats({1, 2, 1, 1}, {4, -1})));
  EXPECT_EQ(infer("GlobalMaxPool", {}, {fact(DataType::kFloat32, "n, 8, h, w")}).shape(),
            "[n, 8, 1, 1]");
}

}  // namespace
}  // namespace penstock::ops::test
