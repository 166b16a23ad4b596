// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> reduced(const std::string& op, const HostTensor& x, ir::Attributes attributes) {
  return values_of(reference({op, std::move(attributes), {x}, {x.dtype}}).at(0));
}

ir::Attributes axes(std::vector<int64_t> list, int64_t keepdims = 1) {
  ir::Attributes attributes;
  attributes.set("axes", std::move(list));
  attributes.set("keepdims", keepdims);
  return attributes;
}

TEST(Reduce, EveryKind) {
  const HostTensor x = floats({2, 3}, {1, -2, 3, 4, 5, 6});
  EXPECT_EQ(reduced("ReduceSum", x, axes({1})), (std::vector<double>{2, 15}));
  EXPECT_EQ(reduced("ReduceMean", x, axes({-1})), (std::vector<double>{float(2.0 / 3), 5}));
  EXPECT_EQ(reduced("ReduceMax", x, axes({0})), (std::vector<double>{4, 5, 6}));
  EXPECT_EQ(reduced("ReduceMin", x, axes({0})), (std::vector<double>{1, -2, 3}));
  EXPECT_EQ(reduced("ReduceProd", x, {}), (std::vector<double>{-720}));
  EXPECT_EQ(reduced("ReduceL1", x, axes({1})), (std::vector<double>{6, 15}));
  EXPECT_EQ(reduced("ReduceSumSquare", x, axes({1})), (std::vector<double>{14, 77}));
  EXPECT_NEAR(reduced("ReduceL2", x, axes({1}))[0], 3.741657, 1e-6);
  EXPECT_NEAR(reduced("ReduceLogSum", x, axes({1}))[1], 2.708050, 1e-6);
  EXPECT_NEAR(reduced("ReduceLogSumExp", x, axes({1}))[1], 6.407606, 1e-6);
}

TEST(Reduce, ShapesFollowAxes) {
  OpCase c{"ReduceSum", axes({0, 2}, 0), {floats({2, 3, 4}, std::vector<double>(24, 1))}};
  EXPECT_EQ(reference(c).at(0).shape, Shape({3}));
  c.attributes = axes({0, 2}, 1);
  EXPECT_EQ(reference(c).at(0).shape, Shape({1, 3, 1}));
  c.attributes = {};
  c.inputs.push_back(int64s({1}, {1}));
  EXPECT_EQ(reference(c).at(0).shape, Shape({2, 1, 4}));
  c.inputs.pop_back();
  c.attributes.set("noop_with_empty_axes", int64_t{1});
  EXPECT_EQ(reference(c).at(0).shape, Shape({2, 3, 4}));
}

TEST(Reduce, NothingGivesTheIdentity) {
  const HostTensor x = floats({2, 0}, {});
  EXPECT_EQ(reduced("ReduceSum", x, axes({1})), (std::vector<double>{0, 0}));
  EXPECT_EQ(reduced("ReduceProd", x, axes({1})), (std::vector<double>{1, 1}));
  EXPECT_EQ(reduced("ReduceMax", x, axes({1})), (std::vector<double>{-kInfinity, -kInfinity}));
  EXPECT_EQ(reduced("ReduceMin", tensor(DataType::kInt8, {0}, {}), {}), (std::vector<double>{127}));
  EXPECT_TRUE(reduced("ReduceSum", floats({0, 2}, {}), axes({1})).empty());
}

TEST(Reduce, IntegersAndBool) {
  EXPECT_EQ(reduced("ReduceMean", tensor(DataType::kInt32, {3}, {-3, -2, 0}), {}),
            (std::vector<double>{-1}));
  EXPECT_EQ(reduced("ReduceMax", tensor(DataType::kBool, {2, 2}, {0, 1, 0, 0}), axes({1})),
            (std::vector<double>{1, 0}));
  EXPECT_EQ(reduced("ReduceMin", tensor(DataType::kUInt8, {2}, {200, 100}), {}),
            (std::vector<double>{100}));
  EXPECT_EQ(infer("ReduceSum", {}, {fact(DataType::kBool, "3")}).status.code(),
            StatusCode::kInvalidModel);
}

TEST(Reduce, InfersSymbolicShapes) {
  const Fact x = fact(DataType::kFloat32, "batch, 3, seq");
  EXPECT_EQ(infer("ReduceSum", axes({-1}, 0), {x}).shape(), "[batch, 3]");
  EXPECT_EQ(infer("ReduceSum", {}, {x}).shape(), "[1, 1, 1]");
  EXPECT_FALSE(infer("ReduceSum", axes({3}), {x}).status.is_ok());
  // Axes that come from the run, one of them: the rank is known, the extents are not.
  const Fact unknown = fact(DataType::kInt64, "1");
  EXPECT_EQ(infer("ReduceSum", axes({}, 0), {x}).shape(), "[]");
  ir::Attributes drop;
  drop.set("keepdims", int64_t{0});
  EXPECT_EQ(infer("ReduceSum", drop, {x, unknown}).outputs[0].shape.size(), 2u);
  EXPECT_EQ(infer("ReduceSum", drop, {x, fact(DataType::kInt64, "n")}).status.code(),
            StatusCode::kUnsupported);
}

TEST(Reduce, ComputesExtents) {
  const Fact extents = contents_fact("batch, 3, 4");
  EXPECT_EQ(infer("ReduceProd", axes({0}, 0), {extents}).contents(), "[12*batch]");
  EXPECT_EQ(infer("ReduceSum", axes({0}), {extents}).contents(), "[batch + 7]");
  EXPECT_EQ(infer("ReduceMax", axes({0}), {contents_fact("5, 9, 2")}).contents(), "[9]");
  EXPECT_EQ(infer("ReduceMin", axes({0}), {contents_fact("5, 9, 2")}).contents(), "[2]");
}

std::vector<double> arg(const std::string& op, const HostTensor& x, int64_t axis, int64_t last) {
  ir::Attributes attributes;
  attributes.set("axis", axis);
  attributes.set("select_last_index", last);
  return values_of(reference({op, attributes, {x}, {DataType::kInt64}}).at(0));
}

TEST(ArgReduce, PicksTheFirstOrLastOfEquals) {
  const HostTensor x = floats({2, 3}, {2, 2, 1, 3, 10, 10});
  EXPECT_EQ(arg("ArgMax", x, 1, 0), (std::vector<double>{0, 1}));
  EXPECT_EQ(arg("ArgMax", x, -1, 1), (std::vector<double>{1, 2}));
  EXPECT_EQ(arg("ArgMin", x, 0, 0), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(arg("ArgMin", tensor(DataType::kUInt8, {3}, {255, 1, 1}), 0, 1),
            (std::vector<double>{2}));
  ir::Attributes drop;
  drop.set("keepdims", int64_t{0});
  EXPECT_EQ(infer("ArgMax", drop, {fact(DataType::kFloat16, "batch, 3")}).shape(), "[3]");
  EXPECT_EQ(infer("ArgMax", drop, {fact(DataType::kFloat16, "batch, 3")}).outputs[0].dtype,
            DataType::kInt64);
}

std::vector<double> cum_sum(const HostTensor& x, int64_t axis, int64_t exclusive, int64_t reverse) {
  ir::Attributes attributes;
  attributes.set("exclusive", exclusive);
  attributes.set("reverse", reverse);
  const HostTensor at = int64s({}, {static_cast<double>(axis)});
  return values_of(reference({"CumSum", attributes, {x, at}, {x.dtype}}).at(0));
}

TEST(CumSum, ExclusiveAndReverse) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(cum_sum(x, 1, 0, 0), (std::vector<double>{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(cum_sum(x, -2, 0, 0), (std::vector<double>{1, 2, 3, 5, 7, 9}));
  EXPECT_EQ(cum_sum(x, 1, 1, 0), (std::vector<double>{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(cum_sum(x, 1, 0, 1), (std::vector<double>{6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(cum_sum(x, 1, 1, 1), (std::vector<double>{5, 3, 0, 11, 6, 0}));
  EXPECT_EQ(cum_sum(tensor(DataType::kInt32, {3}, {-1, 2, -3}), 0, 0, 0),
            (std::vector<double>{-1, 1, -2}));
  EXPECT_EQ(
      infer("CumSum", {}, {fact(DataType::kFloat32, "n"), constant_fact(int64s({}, {0}))}).shape(),
      "[n]");
}

TEST(CumProd, MultipliesAlongAnAxis) {
  OpCase c{"CumProd", {}, {floats({2, 3}, {1, 2, 3, 4, 5, 6}), int64s({}, {1})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 3}, {1, 2, 6, 4, 20, 120})));
  c.attributes.set("exclusive", int64_t{1});
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 3}, {1, 1, 2, 1, 4, 20})));
  c.attributes.set("reverse", int64_t{1});
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 3}, {6, 3, 1, 30, 6, 1})));
  const OpCase wraps{"CumProd",
                     {},
                     {tensor(DataType::kInt32, {3}, {-2, 3, 1 << 30}), int64s({}, {0})},
                     {DataType::kInt32}};
  EXPECT_TRUE(
      matches(reference(wraps).at(0), tensor(DataType::kInt32, {3}, {-2, -6, -2147483648})));
}

}  // namespace
}  // namespace penstock::ops::test
