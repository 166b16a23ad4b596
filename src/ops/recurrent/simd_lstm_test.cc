// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/simd_lstm.h"

#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr DataType kFloat = DataType::kFloat32;

struct Size {
  int64_t steps, batch, input, hidden;
};

// Weights get smaller as sums get longer, as trained ones do.
HostTensor weights(Shape shape, uint32_t seed) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(std::max<int64_t>(1, shape.back())));
  return random_tensor(kFloat, std::move(shape), seed, -bound, bound);
}

OpCase lstm(const Size& s, const char* direction, int64_t layout, uint32_t seed) {
  const int64_t d = std::string(direction) == "bidirectional" ? 2 : 1;
  const Shape x = layout == 0 ? Shape{s.steps, s.batch, s.input} : Shape{s.batch, s.steps, s.input};
  OpCase c{"LSTM",
           {},
           {random_tensor(kFloat, x, seed), weights({d, 4 * s.hidden, s.input}, seed + 1),
            weights({d, 4 * s.hidden, s.hidden}, seed + 2), weights({d, 8 * s.hidden}, seed + 3)},
           {kFloat},
           {1, 2, 3}};
  c.attributes.set("direction", std::string(direction));
  c.attributes.set("layout", layout);
  return c;
}

constexpr Size kSizes[] = {{1, 1, 1, 1}, {3, 2, 4, 5}, {7, 1, 33, 17}, {5, 9, 16, 64},
                           {0, 2, 3, 4}, {2, 0, 3, 4}, {20, 3, 8, 100}};

TEST(SimdLstm, MatchesReference) {
  uint32_t seed = 1;
  for (const Size& s : kSizes) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      for (int64_t layout : {0, 1}) {
        expect_matches_reference(simd_lstm(), lstm(s, direction, layout, seed++), s.hidden);
      }
    }
  }
}

TEST(SimdLstm, StatesAndLengths) {
  uint32_t seed = 100;
  for (const Size& s : {Size{6, 3, 4, 5}, Size{9, 2, 7, 40}}) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      OpCase c = lstm(s, direction, 0, seed++);
      const int64_t d = c.inputs[1].shape[0];
      std::vector<double> lengths;
      for (int64_t i = 0; i < s.batch; ++i) lengths.push_back(static_cast<double>(s.steps - 2 * i));
      c.inputs.push_back(tensor(DataType::kInt32, {s.batch}, lengths));
      c.inputs.push_back(random_tensor(kFloat, {d, s.batch, s.hidden}, seed++));
      c.inputs.push_back(random_tensor(kFloat, {d, s.batch, s.hidden}, seed++));
      c.output_types = {kFloat, kFloat, kFloat};
      expect_matches_reference(simd_lstm(), c, s.hidden);
      c.output_types = {DataType::kUndefined, kFloat, kFloat};
      expect_matches_reference(simd_lstm(), c, s.hidden);
    }
  }
}

TEST(SimdLstm, WithoutBias) {
  OpCase c = lstm({4, 2, 3, 6}, "forward", 0, 7);
  c.inputs.pop_back();
  c.constants = {1, 2};
  expect_matches_reference(simd_lstm(), c, 6);
}

TEST(SimdLstm, RefusesWhatItsKernelLacks) {
  OpCase c = lstm({2, 1, 3, 4}, "forward", 0, 9);
  c.constants = {};
  EXPECT_EQ(simd_lstm().offer(node_facts(c, reference(c))).refusal, "the weights are not constant");
  c.attributes.set("clip", 1.0f);
  EXPECT_EQ(simd_lstm().offer(node_facts(c, reference(c))).refusal, "attribute clip");
}

}  // namespace
}  // namespace penstock::ops::test
