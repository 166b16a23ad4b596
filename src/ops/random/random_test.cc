// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes with_seed(int64_t seed, ir::Attribute shape = std::vector<int64_t>{4}) {
  ir::Attributes attributes;
  attributes.set("seed", seed);
  attributes.set("shape", std::move(shape));
  attributes.set("dtype", static_cast<int64_t>(DataType::kFloat64));
  return attributes;
}

HostTensor draw(const std::string& op, const ir::Attributes& attributes) {
  return reference({op, attributes, {}, {DataType::kFloat64}}).at(0);
}

// numpy.random.RandomState(0).rand(4) and .randn(4).
TEST(Random, DrawsWhatNumPyDraws) {
  EXPECT_TRUE(matches(
      draw("RandomUniform", with_seed(0)),
      tensor(DataType::kFloat64, {4},
             {0.5488135039273248, 0.7151893663724195, 0.6027633760716439, 0.5448831829968969})));
  EXPECT_TRUE(matches(
      draw("RandomNormal", with_seed(0)),
      tensor(DataType::kFloat64, {4},
             {1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458})));
}

TEST(Random, RangeMeanAndScale) {
  ir::Attributes range = with_seed(3, std::vector<int64_t>{1000});
  range.set("low", 2.0f);
  range.set("high", 4.0f);
  std::vector<double> values = values_of(draw("RandomUniform", range));
  EXPECT_GE(*std::min_element(values.begin(), values.end()), 2);
  EXPECT_LT(*std::max_element(values.begin(), values.end()), 4);
  ir::Attributes normal = with_seed(3, std::vector<int64_t>{10000});
  normal.set("mean", 5.0f);
  normal.set("scale", 2.0f);
  double sum = 0;
  double squares = 0;
  for (double x : values_of(draw("RandomNormal", normal))) {
    sum += x / 10000;
    squares += (x - 5) * (x - 5) / 10000;
  }
  EXPECT_NEAR(sum, 5, 0.1);
  EXPECT_NEAR(squares, 4, 0.3);
}

TEST(Random, WithoutSeedEachRunDiffers) {
  ir::Attributes attributes = with_seed(0);
  attributes.erase("seed");
  EXPECT_NE(values_of(draw("RandomUniform", attributes)),
            values_of(draw("RandomUniform", attributes)));
}

TEST(Random, ShapesMayBeSymbols) {
  const ir::Attributes attributes = with_seed(0, dims("batch, 3"));
  EXPECT_EQ(infer("RandomUniform", attributes, {}).shape(), "[batch, 3]");
  EXPECT_FALSE(infer("RandomUniform", with_seed(0, std::vector<int64_t>{-1}), {}).status.is_ok());
}

TEST(Multinomial, DrawsLikelyClassesOften) {
  ir::Attributes attributes;
  attributes.set("seed", int64_t{1});
  attributes.set("sample_size", int64_t{1000});
  attributes.set("dtype", static_cast<int64_t>(DataType::kInt64));
  // Logarithms of probabilities 0, 1/4, 3/4.
  const HostTensor x = floats({1, 3}, {-1000, 0, 1.0986122886681098});
  const HostTensor y = reference({"Multinomial", attributes, {x}, {DataType::kInt64}}).at(0);
  EXPECT_EQ(y.shape, (Shape{1, 1000}));
  const std::vector<double> classes = values_of(y);
  EXPECT_EQ(std::count(classes.begin(), classes.end(), 0), 0);
  EXPECT_NEAR(static_cast<double>(std::count(classes.begin(), classes.end(), 2)), 750, 60);
  EXPECT_FALSE(infer("Multinomial", {}, {fact(DataType::kFloat32, "3")}).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
