// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Expected values are those of ONNX's reference evaluator.
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr Tolerance kLiteral = {2e-6, 2e-6};
constexpr DataType kFloat = DataType::kFloat32;

const HostTensor kX = floats({2, 1, 2}, {1, 2, -1, 0.5});
const std::vector<double> kW = {0.1, 0.2, 0.3, -0.1, 0.2, 0.2, -0.3, 0.4};
const std::vector<double> kR = {0.5, 0.1, -0.2, 0.3};
const std::vector<double> kB = {0.1, 0.2, 0.3, 0.4, 0, 0.1, 0, -0.1};

// A cell of one hidden unit with the first weights of the lists above.
OpCase cell(const std::string& op, int64_t gates, size_t outputs) {
  auto first = [](const std::vector<double>& list, int64_t count) {
    return std::vector<double>(list.begin(), list.begin() + count);
  };
  OpCase c{op,
           {},
           {kX, floats({1, gates, 2}, first(kW, 2 * gates)),
            floats({1, gates, 1}, first(kR, gates)), floats({1, 2 * gates}, first(kB, 2 * gates))}};
  c.output_types.assign(outputs, kFloat);
  return c;
}

TEST(Lstm, Peepholes) {
  OpCase c = cell("LSTM", 4, 3);
  c.inputs.resize(7);
  c.inputs.push_back(floats({1, 3}, {0.1, 0.2, 0.3}));
  const auto outputs = reference(c);
  EXPECT_TRUE(matches(outputs.at(0), floats({2, 1, 1, 1}, {0.250284, 0.298104}), kLiteral));
  EXPECT_TRUE(matches(outputs.at(1), floats({1, 1, 1}, {0.298104}), kLiteral));
  EXPECT_TRUE(matches(outputs.at(2), floats({1, 1, 1}, {0.642897}), kLiteral));
}

TEST(Lstm, Reverse) {
  OpCase c = cell("LSTM", 4, 3);
  c.attributes.set("direction", std::string("reverse"));
  const auto outputs = reference(c);
  EXPECT_TRUE(matches(outputs.at(0), floats({2, 1, 1, 1}, {0.365757, 0.163381}), kLiteral));
  EXPECT_TRUE(matches(outputs.at(1), floats({1, 1, 1}, {0.365757}), kLiteral));
  EXPECT_TRUE(matches(outputs.at(2), floats({1, 1, 1}, {0.704092}), kLiteral));
}

TEST(Gru, ResetBeforeOrAfter) {
  OpCase c = cell("GRU", 3, 2);
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 1, 1, 1}, {0.204824, 0.229186}), kLiteral));
  c.attributes.set("linear_before_reset", int64_t{1});
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 1, 1, 1}, {0.19986, 0.208482}), kLiteral));
}

TEST(Rnn, ActivationsAndClip) {
  OpCase c = cell("RNN", 1, 2);
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 1, 1, 1}, {0.664037, 0.55944}), kLiteral));
  // W x + b of the first step is 0.8: alpha 2, beta 1 make it 2.6; the clip comes first.
  c.attributes.set("activations", std::vector<std::string>{"Affine"});
  c.attributes.set("activation_alpha", std::vector<float>{2.0f});
  c.attributes.set("activation_beta", std::vector<float>{1.0f});
  EXPECT_NEAR(values_of(reference(c).at(0))[0], 2.6, 1e-6);
  c.attributes.set("clip", 0.5f);
  EXPECT_NEAR(values_of(reference(c).at(0))[0], 2.0, 1e-6);
  c.attributes.set("activations", std::vector<std::string>{"Sine"});
  EXPECT_EQ(reference_status(c).code(), StatusCode::kUnsupported);
}

// Two directions of a batch-first LSTM with lengths agree with one direction at a time.
TEST(Lstm, DirectionsLayoutAndLengths) {
  const HostTensor x = random_tensor(kFloat, {2, 3, 4}, 1);  // [batch, steps, input]
  const HostTensor w = random_tensor(kFloat, {2, 20, 4}, 2);
  const HostTensor r = random_tensor(kFloat, {2, 20, 5}, 3);
  OpCase both{
      "LSTM", {}, {x, w, r, {}, tensor(DataType::kInt32, {2}, {3, 2})}, {kFloat, kFloat, kFloat}};
  both.attributes.set("direction", std::string("bidirectional"));
  both.attributes.set("layout", int64_t{1});
  const auto outputs = reference(both);
  ASSERT_EQ(outputs.at(0).shape, Shape({2, 3, 2, 5}));
  ASSERT_EQ(outputs.at(1).shape, Shape({2, 2, 5}));
  const std::vector<double> y = values_of(outputs[0]);
  const std::vector<double> h = values_of(outputs[1]);
  auto y_at = [&](int64_t n, int64_t t, int64_t d) { return y[((n * 3 + t) * 2 + d) * 5]; };
  auto h_at = [&](int64_t n, int64_t d) { return h[(n * 2 + d) * 5]; };
  EXPECT_EQ(y_at(1, 2, 0), 0.0);  // past the length
  EXPECT_EQ(y_at(1, 2, 1), 0.0);
  EXPECT_EQ(y_at(1, 1, 0), h_at(1, 0));
  EXPECT_EQ(y_at(0, 2, 0), h_at(0, 0));
  EXPECT_EQ(y_at(0, 0, 1), h_at(0, 1));
  EXPECT_EQ(y_at(1, 0, 1), h_at(1, 1));
}

TEST(Recurrent, RefusesStatesThatDoNotFit) {
  OpCase c = cell("RNN", 1, 1);
  c.inputs.push_back(tensor(DataType::kInt32, {2}, {1, 1}));  // the batch is 1
  EXPECT_EQ(reference_status(c).code(), StatusCode::kInvalidArgument);
}

TEST(Recurrent, InfersShapes) {
  ir::Attributes attributes;
  attributes.set("direction", std::string("bidirectional"));
  const std::vector<Fact> inputs = {fact(kFloat, "steps, batch, 8"), fact(kFloat, "2, 20, 8"),
                                    fact(kFloat, "2, 20, 5")};
  const Inferred inferred = infer("LSTM", attributes, inputs, 3);
  EXPECT_EQ(inferred.shape(0), "[steps, 2, batch, 5]");
  EXPECT_EQ(inferred.shape(2), "[2, batch, 5]");
  EXPECT_FALSE(infer("GRU", attributes, inputs, 2).status.is_ok());  // 20 rows are not 3 gates of 5
  attributes.set("direction", std::string("sideways"));
  EXPECT_FALSE(infer("LSTM", attributes, inputs, 3).status.is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
