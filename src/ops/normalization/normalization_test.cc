// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Expected values are those of ONNX's reference evaluator, or worked out by hand.
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr Tolerance kLiteral = {2e-6, 2e-6};

ir::Attributes with_axis(int64_t axis) {
  ir::Attributes attributes;
  attributes.set("axis", axis);
  return attributes;
}

ir::Attributes with_epsilon(float epsilon) {
  ir::Attributes attributes;
  attributes.set("epsilon", epsilon);
  return attributes;
}

TEST(Softmax, AlongAnyAxisWithoutOverflow) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 1000, 1001, 1003});
  const HostTensor rows =
      floats({2, 3}, {0.090031, 0.244728, 0.665241, 0.04201, 0.114195, 0.843795});
  EXPECT_TRUE(matches(reference({"Softmax", with_axis(1), {x}}).at(0), rows, kLiteral));
  EXPECT_TRUE(matches(reference({"Softmax", {}, {x}}).at(0), rows, kLiteral));
  const HostTensor columns = floats({2, 1}, {0, 0});
  EXPECT_TRUE(matches(reference({"Softmax", with_axis(0), {columns}}).at(0),
                      floats({2, 1}, {0.5, 0.5}), kLiteral));
  EXPECT_TRUE(matches(reference({"LogSoftmax", {}, {floats({1, 3}, {1, 2, 3})}}).at(0),
                      floats({1, 3}, {-2.407606, -1.407606, -0.407606}), kLiteral));
  EXPECT_TRUE(matches(reference({"Hardmax", {}, {floats({2, 3}, {3, 0, 3, -1, -2, -1})}}).at(0),
                      floats({2, 3}, {1, 0, 0, 1, 0, 0})));
  EXPECT_EQ(reference({"Softmax", with_axis(1), {floats({2, 0}, {})}}).at(0).shape, Shape({2, 0}));
}

TEST(Softmax, InfersShapeAndChecksAxis) {
  const Fact x = fact(DataType::kFloat32, "batch, seq");
  EXPECT_EQ(infer("Softmax", with_axis(-2), {x}).shape(), "[batch, seq]");
  EXPECT_FALSE(infer("Softmax", with_axis(2), {x}).status.is_ok());
  EXPECT_FALSE(infer("Softmax", {}, {fact(DataType::kInt32, "3")}).status.is_ok());
}

TEST(LayerNormalization, ScalesAndShifts) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 4, 5, 9});
  const HostTensor scale = floats({3}, {1, 2, 3});
  const HostTensor bias = floats({3}, {0, 1, 2});
  const HostTensor y = floats({2, 3}, {-1.224736, 1, 5.674207, -0.925819, 0.074181, 6.166186});
  EXPECT_TRUE(matches(reference({"LayerNormalization", {}, {x, scale, bias}}).at(0), y, kLiteral));
}

TEST(LayerNormalization, AddsTheResidualFirst) {
  const HostTensor x = floats({2, 3}, {0, 1, 3, 3, 4, 8});
  const HostTensor residual = floats({2, 3}, {1, 1, 0, 1, 1, 1});
  const HostTensor scale = floats({3}, {1, 2, 3});
  const HostTensor bias = floats({3}, {0, 1, 2});
  const std::vector<HostTensor> outputs = reference({"LayerNormalization",
                                                     {},
                                                     {x, scale, bias, residual},
                                                     {DataType::kFloat32, DataType::kFloat32}});
  EXPECT_TRUE(matches(outputs.at(0),
                      floats({2, 3}, {-1.224736, 1, 5.674207, -0.925819, 0.074181, 6.166186}),
                      kLiteral));
  EXPECT_TRUE(matches(outputs.at(1), floats({2, 3}, {1, 2, 3, 4, 5, 9})));
}

TEST(LayerNormalization, RefusesTrainingOutputs) {
  const Fact x = fact(DataType::kFloat32, "batch, 3");
  const Fact scale = fact(DataType::kFloat32, "3");
  EXPECT_EQ(infer("LayerNormalization", {}, {x, scale}, 2).status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(infer("LayerNormalization", {}, {x, scale, Fact(), x}, 2).shape(1), "[batch, 3]");
  EXPECT_FALSE(infer("LayerNormalization", {}, {x, fact(DataType::kFloat32, "4")}).status.is_ok());
}

TEST(RMSNormalization, HasNoMean) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 4, 5, 9});
  const HostTensor y = floats({2, 3}, {0.46291, 1.85164, 4.166191, 0.62725, 1.568125, 4.233938});
  EXPECT_TRUE(
      matches(reference({"RMSNormalization", with_epsilon(0), {x, floats({3}, {1, 2, 3})}}).at(0),
              y, kLiteral));
}

TEST(ChannelNorms, Batch) {
  const HostTensor x = floats({1, 2, 2}, {1, 2, 3, 4});
  const OpCase c{
      "BatchNormalization",
      with_epsilon(0),
      {x, floats({2}, {1, 2}), floats({2}, {0, 1}), floats({2}, {1, 3}), floats({2}, {4, 1})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({1, 2, 2}, {0, 0.5, 1, 3})));
  ir::Attributes training;
  training.set("training_mode", int64_t{1});
  const Fact v = fact(DataType::kFloat32, "2");
  EXPECT_EQ(
      infer("BatchNormalization", training, {fact(DataType::kFloat32, "batch, 2, h"), v, v, v, v})
          .status.code(),
      StatusCode::kUnsupported);
}

TEST(ChannelNorms, RefuseVectorsThatDoNotFit) {
  const HostTensor x = floats({1, 2, 1}, {1, 2});
  const HostTensor three = floats({3}, {1, 1, 1});
  const auto refused = [](const OpCase& c) {
    return reference_status(c).code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({"BatchNormalization", {}, {x, three, three, three, three}}));
  EXPECT_TRUE(refused({"InstanceNormalization", {}, {x, three, three}}));
  EXPECT_TRUE(refused({"LayerNormalization", {}, {floats({1, 2}, {1, 2}), three}}));
}

TEST(ChannelNorms, InstanceAndGroup) {
  const HostTensor x = floats({1, 2, 2}, {1, 2, 3, 5});
  const OpCase instance{
      "InstanceNormalization", with_epsilon(0), {x, floats({2}, {1, 2}), floats({2}, {0, 1})}};
  EXPECT_TRUE(matches(reference(instance).at(0), floats({1, 2, 2}, {-1, 1, -1, 3}), kLiteral));

  ir::Attributes groups = with_epsilon(0);
  groups.set("num_groups", int64_t{2});
  OpCase group{"GroupNormalization",
               groups,
               {floats({1, 4, 2}, {1, 2, 3, 4, 5, 6, 7, 9}), floats({4}, {1, 1, 2, 2}),
                floats({4}, {0, 0, 1, 1})}};
  const HostTensor y = floats({1, 4, 2}, {-1.341641, -0.447214, 0.447214, 1.341641, -1.366432,
                                          -0.014185, 1.338062, 4.042555});
  EXPECT_TRUE(matches(reference(group).at(0), y, kLiteral));
  // Opset 18: one scale for each group.
  group.inputs[1] = floats({2}, {1, 2});
  group.inputs[2] = floats({2}, {0, 1});
  EXPECT_TRUE(matches(reference(group).at(0), y, kLiteral));
}

TEST(OtherNorms, Literals) {
  ir::Attributes lrn;
  lrn.set("size", int64_t{3});
  lrn.set("alpha", 0.5f);
  lrn.set("beta", 0.5f);
  EXPECT_TRUE(matches(reference({"LRN", lrn, {floats({1, 4, 1, 1}, {1, 2, 3, 4})}}).at(0),
                      floats({1, 4, 1, 1}, {0.738549, 1.095445, 1.242118, 1.759764}), kLiteral));
  EXPECT_TRUE(matches(
      reference({"MeanVarianceNormalization", {}, {floats({1, 1, 2, 2}, {1, 2, 3, 6})}}).at(0),
      floats({1, 1, 2, 2}, {-1.069045, -0.534522, 0, 1.603567}), kLiteral));
  EXPECT_TRUE(matches(reference({"LpNormalization", {}, {floats({2, 2}, {3, 4, 0, 0})}}).at(0),
                      floats({2, 2}, {0.6, 0.8, 0, 0}), kLiteral));
  ir::Attributes sum;
  sum.set("p", int64_t{1});
  EXPECT_TRUE(matches(reference({"LpNormalization", sum, {floats({1, 2}, {-1, 3})}}).at(0),
                      floats({1, 2}, {-0.25, 0.75}), kLiteral));
}

}  // namespace
}  // namespace penstock::ops::test
