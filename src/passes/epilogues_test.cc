// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(Epilogues, ResidualSumAndActivation) {
  test::expect_rewrite(epilogues, R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %a = Conv(%x, const float32[3, 3, 3, 3]random, const float32[3][1, 2, 3]) {pads = [1, 1, 1, 1]}
  %r = Relu(%a)
  %b = Conv(%r, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %s = Add(%x, %b)
  %y = Relu(%s)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %r : float32[n, 3, 5, 5] = Conv(%x, const float32[3, 3, 3, 3]#, const float32[3][1, 2, 3]) {epilogue = "relu", pads = [1, 1, 1, 1]}
  %y : float32[n, 3, 5, 5] = Conv(%r, const float32[3, 3, 3, 3]#, _, %x) {epilogue = "add(3);relu", pads = [1, 1, 1, 1]}
  return %y
}
)ir");
}

TEST(Epilogues, NoResidualSumWhereShapesDependOnData) {
  test::expect_unchanged(epilogues, R"ir(
graph g(%x : float32[4, 3, 5, 5], %keep : float32[4]) {
  %found = NonZero(%keep)
  %places = Squeeze(%found) {axes = [0]}
  %kept = Gather(%x, %places)
  %b = Conv(%kept, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %y = Add(%kept, %b)
  return %y
}
)ir");
}

TEST(Epilogues, OfTwoConvolutionsTheFirstWaitsForTheOther) {
  test::expect_rewrite(epilogues, R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %a = Conv(%x, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %b = Conv(%x, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %s = Add(%a, %b)
  %y = Clip(%s, const float32[][0], const float32[][6])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %b : float32[n, 3, 5, 5] = Conv(%x, const float32[3, 3, 3, 3]#) {pads = [1, 1, 1, 1]}
  %y : float32[n, 3, 5, 5] = Conv(%x, const float32[3, 3, 3, 3]#, _, %b) {epilogue = "add(3);clip(0,6)", pads = [1, 1, 1, 1]}
  return %y
}
)ir");
}

TEST(Epilogues, ProductsWithGeluGatesAndConstants) {
  test::expect_rewrite(epilogues, R"ir(
graph g(%x : float32[n, s, 8], %z : float32[n, s, 3]) {
  %m = MatMul(%x, const float32[8, 3]random, const float32[3][1, 2, 3])
  %a = Gelu(%m) {approximate = "tanh"}
  %b = Mul(%z, %a)
  %c = Mul(%b, const float32[3][1, 2, 3])
  %d = LeakyRelu(%c) {alpha = 0.1f}
  return %d
}
)ir",
                       R"ir(
graph g(%x : float32[n, s, 8], %z : float32[n, s, 3]) {
  %d : float32[n, s, 3] = MatMul(%x, const float32[8, 3]#, const float32[3][1, 2, 3], %z, const float32[3][1, 2, 3]) {epilogue = "gelu_tanh;mul(3);mul(4);leaky_relu(0.1)"}
  return %d
}
)ir");
}

TEST(Epilogues, NotThroughASecondUseOrABroadcast) {
  test::expect_rewrite(epilogues, R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %a = Conv(%x, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %p = GlobalAveragePool(%a)
  %c = Conv(%p, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %e = Sigmoid(%c)
  %y = Mul(%a, %e)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 5, 5]) {
  %a : float32[n, 3, 5, 5] = Conv(%x, const float32[3, 3, 3, 3]#) {pads = [1, 1, 1, 1]}
  %p : float32[n, 3, 1, 1] = GlobalAveragePool(%a)
  %e : float32[n, 3, 1, 1] = Conv(%p, const float32[3, 3, 3, 3]#) {epilogue = "sigmoid", pads = [1, 1, 1, 1]}
  %y : float32[n, 3, 5, 5] = Mul(%a, %e)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
