// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

constexpr DataType kF16 = DataType::kFloat16;
constexpr DataType kF32 = DataType::kFloat32;

ir::Attributes attributes(Ints pieces, Ints trans_b, const std::string& epilogue, DataType to) {
  ir::Attributes result;
  result.set("pieces", std::move(pieces));
  result.set("trans_b", std::move(trans_b));
  result.set("epilogue", epilogue);
  result.set("to", static_cast<int64_t>(to));
  return result;
}

TEST(MlpReference, GoesThroughTheLayers) {
  const OpCase c = {"MLP",
                    attributes({0, -1, 1, -1}, {0, 1}, "relu|", kF32),
                    {floats({2, 1}, {1, 2}), floats({2, 1}, {3, -3}), int64s({2}, {0, 1}),
                     floats({2, 2}, {1, 0, 1, 1}), floats({2}, {0, 1}), floats({1, 2}, {1, 10})},
                    {kF32},
                    {3, 4, 5}};
  const auto y = reference(c);
  ASSERT_EQ(y.size(), 1u);
  // [1, 3] -> relu [4, 4], [2, -3] -> relu [-1, -2].
  EXPECT_EQ(values_of(y[0]), (std::vector<double>{44, 0}));
}

TEST(MlpReference, RoundsWhatPassesBetweenLayers) {
  const OpCase c = {"MLP",
                    attributes({0, -1}, {0, 0}, "|", kF32),
                    {floats({1, 1}, {1}), tensor(kF16, {1, 1}, {2048}), tensor(kF16, {1}, {1}),
                     tensor(kF16, {1, 1}, {1})},
                    {kF32},
                    {1, 2, 3}};
  const auto y = reference(c);
  ASSERT_EQ(y.size(), 1u);
  EXPECT_EQ(values_of(y[0]), (std::vector<double>{2048}));  // 2049 is no float16
}

TEST(MlpRule, ChecksLayers) {
  const Fact x = fact(kF32, "n, 13");
  const Fact w1 = fact(kF16, "13, 64");
  const Fact w2 = fact(kF16, "1, 64");
  const auto run = [&](Ints trans_b, const std::string& epilogue, std::vector<Fact> inputs) {
    return infer("MLP", attributes({0, -1}, std::move(trans_b), epilogue, kF16), inputs);
  };
  const Fact none;
  EXPECT_EQ(run({0, 1}, "relu|sigmoid", {x, w1, none, w2}).shape(), "[n, 1]");
  EXPECT_FALSE(run({0, 0}, "relu|sigmoid", {x, w1, none, w2}).status.is_ok());
  EXPECT_FALSE(run({0, 1}, "relu", {x, w1, none, w2}).status.is_ok());
  EXPECT_FALSE(run({0, 1}, "add(3)|", {x, w1, none, w2}).status.is_ok());
  EXPECT_FALSE(run({0}, "", {x, w1, fact(kF16, "3")}).status.is_ok());
  EXPECT_FALSE(run({0}, "", {x, w1, none, w2}).status.is_ok());
}

// Random layers: cases that the GPU's kernels run as well, in its 16-bit types.
struct Random {
  uint32_t seed;
  int64_t between(int64_t low, int64_t high) {
    seed = seed * 1664525u + 1013904223u;
    return low + static_cast<int64_t>(seed >> 8) % (high - low + 1);
  }
};

OpCase random_case(Random& random, int64_t rows, DataType dtype) {
  constexpr const char* kSteps[] = {"",          "relu",   "sigmoid",    "tanh",
                                    "gelu",      "silu",   "gelu_tanh",  "leaky_relu(0.1)",
                                    "clip(0,1)", "elu(1)", "hard_swish", "hard_sigmoid(0.2,0.5)"};
  OpCase c = {"MLP", {}, {}, {dtype}};
  const int64_t width = random.between(1, 3) * (random.between(0, 1) == 0 ? 8 : 5);
  const int64_t lookups = random.between(1, 4);
  const int64_t dense = random.between(1, 40);
  c.inputs = {random_tensor(dtype, {9, width}, ++random.seed),
              random_tensor(DataType::kInt64, {rows, lookups}, ++random.seed, 0, 8),
              random_tensor(kF32, {rows, dense}, ++random.seed)};
  int64_t k = width * lookups + dense;
  Ints trans_b;
  std::string epilogue;
  const int64_t layers = random.between(1, 5);
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t n = layer + 1 == layers ? random.between(1, 20) : random.between(1, 150);
    trans_b.push_back(random.between(0, 1));
    // So small that what a layer rounds otherwise does not grow in the next.
    const double most = 0.5 / std::sqrt(static_cast<double>(k));
    c.constants.push_back(c.inputs.size());
    c.inputs.push_back(random_tensor(dtype, trans_b.back() != 0 ? Shape{n, k} : Shape{k, n},
                                     ++random.seed, -most, most));
    const bool has_bias = random.between(0, 3) != 0;
    if (has_bias) c.constants.push_back(c.inputs.size());
    c.inputs.push_back(has_bias ? random_tensor(dtype, {n}, ++random.seed) : HostTensor());
    epilogue += std::string(layer == 0 ? "" : "|") + kSteps[random.between(0, 11)];
    k = n;
  }
  c.attributes = attributes({1, -1, 0, -1}, trans_b, epilogue, c.output_types[0]);
  return c;
}

TEST(Mlp, OverRandomLayers) {
  Random random{7};
  for (const DataType dtype : {kF16, DataType::kBFloat16}) {
    for (const int64_t rows : {1, 2, 16, 17, 40, 300}) {
      for (int i = 0; i < 3; ++i) {
        const auto y = reference(random_case(random, rows, dtype));
        ASSERT_EQ(y.size(), 1u);
        EXPECT_EQ(y[0].shape[0], rows);
      }
    }
  }
}

// More rows than clusters take at once, with every place of a cluster in use.
TEST(Mlp, ManyRows) {
  for (const int64_t rows : {129, 2100}) {
    OpCase c = {"MLP", attributes({0, -1}, {0, 0}, "relu|", kF16), {}, {kF16}};
    c.inputs = {random_tensor(kF16, {rows, 24}, 1), random_tensor(kF16, {24, 130}, 2, -0.3, 0.3),
                random_tensor(kF16, {130}, 3), random_tensor(kF16, {130, 9}, 4, -0.2, 0.2),
                HostTensor()};
    c.constants = {1, 2, 3};
    EXPECT_EQ(reference(c).size(), 1u);
  }
}

}  // namespace
}  // namespace penstock::ops::test
