// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/simd_depthwise.h"

#include <gtest/gtest.h>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

const backends::Tactic& tactic() { return *convolution_simd_tactics().at(0).second; }

OpCase depthwise(Shape x, Ints kernel, Ints strides, Ints pads, const char* epilogue = "") {
  const int64_t channels = x[1];
  OpCase c{"Conv",
           {},
           {random_tensor(DataType::kFloat32, std::move(x), 1),
            random_tensor(DataType::kFloat32, {channels, 1, kernel[0], kernel[1]}, 2),
            random_tensor(DataType::kFloat32, {channels}, 3)}};
  c.attributes.set("group", channels);
  c.attributes.set("strides", std::move(strides));
  c.attributes.set("pads", std::move(pads));
  c.attributes.set("epilogue", std::string(epilogue));
  c.constants = {1, 2};
  return c;
}

TEST(SimdDepthwise, MatchesTheReference) {
  for (int threads : {1, 3}) {
    for (int64_t k : {3, 5, 7}) {
      for (int64_t stride : {1, 2}) {
        for (int64_t pad : {int64_t{0}, k / 2, k - 1}) {
          for (const Shape& x : {Shape{1, 16, 7, 7}, Shape{2, 40, 9, 17}, Shape{1, 3, 14, 8},
                                 Shape{1, 150, 8, 23}}) {
            OpCase c = depthwise(x, {k, k}, {stride, stride}, {pad, pad, pad, pad});
            c.threads = threads;
            SCOPED_TRACE(to_string(x) + " k" + std::to_string(k) + " s" + std::to_string(stride) +
                         " p" + std::to_string(pad));
            expect_matches_reference(tactic(), c, k * k);
          }
        }
      }
    }
  }
}

TEST(SimdDepthwise, TakesUnevenWindowsAndNoBias) {
  expect_matches_reference(tactic(), depthwise({1, 24, 9, 9}, {1, 3}, {2, 1}, {0, 1, 0, 0}), 9);
  expect_matches_reference(tactic(), depthwise({1, 24, 9, 3}, {5, 7}, {1, 2}, {4, 3, 0, 3}), 35);
  OpCase c = depthwise({1, 24, 6, 6}, {3, 3}, {1, 1}, {1, 1, 1, 1});
  c.inputs.pop_back();
  c.constants = {1};
  expect_matches_reference(tactic(), c, 9);
}

TEST(SimdDepthwise, RunsEveryEpilogue) {
  for (const char* epilogue : {"relu", "leaky_relu(0.1)", "clip(0,6)", "sigmoid", "tanh", "gelu",
                               "gelu_tanh", "silu", "hard_swish", "hard_sigmoid(0.2,0.5)",
                               "elu(0.7)", "relu;sigmoid", "add(3);relu", "silu;mul(3)"}) {
    SCOPED_TRACE(epilogue);
    for (int64_t k : {3, 5}) {
      OpCase c = depthwise({1, 21, 8, 9}, {k, k}, {1, 1}, {k / 2, k / 2, k / 2, k / 2}, epilogue);
      c.inputs.push_back(random_tensor(DataType::kFloat32, {1, 21, 8, 9}, 4));
      expect_matches_reference(tactic(), c, k * k);
    }
  }
}

TEST(SimdDepthwise, SaysWhatItLacks) {
  const auto refusal = [](OpCase c) { return tactic().offer(node_facts(c, reference(c))).refusal; };
  OpCase grouped = depthwise({1, 8, 6, 6}, {3, 3}, {1, 1}, {0, 0, 0, 0});
  grouped.inputs[1] = random_tensor(DataType::kFloat32, {16, 1, 3, 3}, 2);
  grouped.inputs.pop_back();
  grouped.constants = {1};
  EXPECT_EQ(refusal(grouped), "each channel must be a group of its own");
  EXPECT_EQ(refusal(depthwise({1, 8, 6, 6}, {3, 4}, {1, 1}, {0, 0, 0, 0})),
            "no code for a kernel of [3, 4] with strides [1, 1] and dilations [1, 1]");
}

}  // namespace
}  // namespace penstock::ops::test
