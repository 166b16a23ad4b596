// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes reduction(const std::string& name) {
  ir::Attributes attributes;
  attributes.set("reduction", name);
  return attributes;
}

HostTensor loss(const ir::Attributes& attributes, const std::vector<HostTensor>& inputs) {
  return reference({"NegativeLogLikelihoodLoss", attributes, inputs}).at(0);
}

// The examples of ONNX's specification.
const HostTensor& input() {
  static const HostTensor kInput = floats({2, 3, 2}, {1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2});
  return kInput;
}
const HostTensor& target() {
  static const HostTensor kTarget = int64s({2, 2}, {2, 1, 0, 2});
  return kTarget;
}

TEST(NegativeLogLikelihoodLoss, SpecificationsExamples) {
  const HostTensor weight = floats({3}, {0.2, 0.3, 0.1});
  EXPECT_TRUE(
      matches(loss(reduction("none"), {input(), target()}), floats({2, 2}, {-3, -2, 0, -2})));
  EXPECT_TRUE(matches(loss(reduction("sum"), {input(), target(), weight}), floats({}, {-1.1})));
  EXPECT_TRUE(
      matches(loss(reduction("mean"), {input(), target(), weight}), floats({}, {-1.1 / 0.7})));
  EXPECT_TRUE(matches(loss({}, {input(), target()}), floats({}, {-7.0 / 4})));
}

TEST(NegativeLogLikelihoodLoss, IgnoresAnIndexOfNoClass) {
  ir::Attributes none = reduction("none");
  none.set("ignore_index", int64_t{-1});
  ir::Attributes mean = reduction("mean");
  mean.set("ignore_index", int64_t{-1});
  const HostTensor some = int64s({2, 2}, {2, -1, 0, 2});
  EXPECT_TRUE(matches(loss(none, {input(), some}), floats({2, 2}, {-3, 0, 0, -2})));
  EXPECT_TRUE(matches(loss(mean, {input(), some}), floats({}, {-5.0 / 3})));
}

TEST(NegativeLogLikelihoodLoss, WrongTargetsAreErrors) {
  for (double wrong : {-1.0, 3.0}) {
    const Status status = reference_status(
        {"NegativeLogLikelihoodLoss", {}, {input(), int64s({2, 2}, {0, wrong, 0, 0})}});
    EXPECT_NE(status.message().find("is none of the 3 classes"), std::string::npos);
  }
  const auto of = [](std::string_view x, std::string_view t) {
    return infer("NegativeLogLikelihoodLoss", {},
                 {fact(DataType::kFloat32, x), fact(DataType::kInt64, t)});
  };
  EXPECT_EQ(of("n, 3, 4", "n, 4").shape(), "[]");
  EXPECT_FALSE(of("n, 3, 4", "n").status.is_ok());
  EXPECT_FALSE(of("n, 3, 4", "n, 5").status.is_ok());
  EXPECT_FALSE(of("n", "n").status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
