// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ir::Attributes to(DataType type) {
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(type));
  return attributes;
}

HostTensor cast(const HostTensor& x, DataType type) {
  return reference({"Cast", to(type), {x}, {type}})[0];
}

using Values = std::vector<double>;

TEST(Where, BroadcastsThreeInputs) {
  const HostTensor condition = tensor(DataType::kBool, {2, 1}, {1, 0});
  const auto y = reference({"Where", {}, {condition, floats({2}, {1, 2}), floats({}, {9})}});
  EXPECT_TRUE(matches(y[0], floats({2, 2}, {1, 2, 9, 9})));
  const auto z =
      reference({"Where",
                 {},
                 {condition, tensor(DataType::kInt8, {1}, {1}), tensor(DataType::kInt8, {1}, {-1})},
                 {DataType::kInt8}});
  EXPECT_EQ(values_of(z[0]), (Values{1, -1}));
}

TEST(Where, Infers) {
  const Fact condition = fact(DataType::kBool, "batch, 1");
  const Fact x = fact(DataType::kInt64, "seq");
  EXPECT_EQ(infer("Where", {}, {condition, x, fact(DataType::kInt64, "")}).shape(), "[batch, seq]");
  EXPECT_FALSE(infer("Where", {}, {x, x, x}).status.is_ok());
  EXPECT_FALSE(infer("Where", {}, {condition, x, fact(DataType::kFloat32, "")}).status.is_ok());

  Fact known = contents_fact("1, 0");
  known.dtype = DataType::kBool;
  EXPECT_EQ(infer("Where", {}, {known, contents_fact("a, b"), contents_fact("c, d")}).contents(),
            "[a, d]");
}

TEST(Clip, BoundsFromInputsOrAttributes) {
  const HostTensor x = floats({5}, {-3, 0.5, 7, kNan, kInf});
  const HostTensor low = floats({}, {0});
  const HostTensor high = floats({}, {6});
  const HostTensor both = floats({5}, {0, 0.5, 6, kNan, 6});
  EXPECT_TRUE(matches(reference({"Clip", {}, {x, low, high}})[0], both));
  ir::Attributes attributes;
  attributes.set("min", 0.0f);
  attributes.set("max", 6.0f);
  EXPECT_TRUE(matches(reference({"Clip", attributes, {x}})[0], both));
  EXPECT_TRUE(matches(reference({"Clip", {}, {x, HostTensor(), high}})[0],
                      floats({5}, {-3, 0.5, 6, kNan, 6})));
  EXPECT_TRUE(matches(reference({"Clip", {}, {x}})[0], x));
}

TEST(Clip, IntegersAndCrossedBounds) {
  const HostTensor x = int64s({3}, {-3, 2, 9});
  EXPECT_EQ(values_of(reference(
                {"Clip", {}, {x, int64s({}, {5}), int64s({}, {1})}, {DataType::kInt64}})[0]),
            (Values{1, 1, 1}));
}

TEST(Clip, Infers) {
  const Fact x = fact(DataType::kFloat32, "batch, 3");
  EXPECT_EQ(infer("Clip", {}, {x}).shape(), "[batch, 3]");
  EXPECT_FALSE(infer("Clip", {}, {x, fact(DataType::kFloat32, "2")}).status.is_ok());
  EXPECT_FALSE(infer("Clip", {}, {x, fact(DataType::kInt64, "")}).status.is_ok());
  EXPECT_EQ(infer("Clip", {}, {contents_fact("seq"), contents_fact("0")}).contents(), "[seq]");
}

TEST(Cast, BetweenKinds) {
  const HostTensor x = floats({6}, {-1.75, 0, 1.5, 255, 3, 0.25});
  EXPECT_EQ(values_of(cast(x, DataType::kInt32)), (Values{-1, 0, 1, 255, 3, 0}));
  EXPECT_EQ(values_of(cast(x, DataType::kBool)), (Values{1, 0, 1, 1, 1, 1}));
  EXPECT_EQ(values_of(cast(x, DataType::kFloat16)), (Values{-1.75, 0, 1.5, 255, 3, 0.25}));
  EXPECT_EQ(values_of(cast(x, DataType::kFloat64)), (Values{-1.75, 0, 1.5, 255, 3, 0.25}));
  EXPECT_EQ(values_of(cast(int64s({2}, {300, -1}), DataType::kUInt8)), (Values{44, 255}));
  EXPECT_EQ(values_of(cast(tensor(DataType::kBool, {2}, {1, 0}), DataType::kBFloat16)),
            (Values{1, 0}));
  EXPECT_EQ(values_of(cast(tensor(DataType::kFloat16, {1}, {-2.5}), DataType::kInt8)),
            (Values{-2}));
}

TEST(Cast, Images) {
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 4, 8, 6}, Shape{3, 1, 1, 1},
                             Shape{2, 2, 16, 16}, Shape{0, 3, 4, 4}, Shape{1, 5, 4, 4}}) {
    const HostTensor x = random_tensor(DataType::kFloat32, shape, 3);
    EXPECT_TRUE(
        matches(cast(x, DataType::kFloat16), tensor(DataType::kFloat16, shape, values_of(x))));
  }
}

TEST(Cast, OutOfRangeDoesNotTrap) {
  const HostTensor wild = floats({4}, {kNan, kInf, -kInf, 1e30});
  for (DataType type : {DataType::kInt8, DataType::kInt64, DataType::kUInt64, DataType::kBool}) {
    EXPECT_EQ(cast(wild, type).shape, (Shape{4}));
  }
}

TEST(Cast, Infers) {
  const Inferred shape = infer("Cast", to(DataType::kFloat16), {fact(DataType::kInt64, "n, 2")});
  EXPECT_EQ(shape.shape(), "[n, 2]");
  EXPECT_EQ(shape.outputs[0].dtype, DataType::kFloat16);
  EXPECT_EQ(infer("Cast", to(DataType::kInt32), {contents_fact("n, 2")}).contents(), "[n, 2]");
  EXPECT_EQ(infer("Cast", to(DataType::kBool), {contents_fact("n + 1, 0")}).contents(), "[1, 0]");
  EXPECT_EQ(infer("Cast", to(DataType::kBool), {contents_fact("n")}).contents(), "unknown");
  EXPECT_EQ(infer("Cast", to(DataType::kInt8), {contents_fact("300")}).contents(), "unknown");
  EXPECT_EQ(infer("Cast", to(DataType::kFloat32), {contents_fact("n")}).contents(), "unknown");
  EXPECT_FALSE(infer("Cast", {}, {fact(DataType::kInt64, "n")}).status.is_ok());
  EXPECT_FALSE(infer("Cast", to(DataType::kString), {fact(DataType::kInt64, "n")}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
