// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(BiasFolding, JoinsTheBiasOfAProduct) {
  test::expect_rewrite(bias_folding, R"ir(
graph g(%x : float32[n, s, 8]) {
  %m = MatMul(%x, const float32[8, 3]random)
  %y = Add(const float32[3][1, 2, 3], %m)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, s, 8]) {
  %y : float32[n, s, 3] = MatMul(%x, const float32[8, 3]#, const float32[3][1, 2, 3])
  return %y
}
)ir");
}

TEST(BiasFolding, JoinsTheBiasOfAConvolution) {
  test::expect_rewrite(bias_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c = Conv(%x, const float32[3, 2, 3, 3]random, const float32[3][1, 1, 1])
  %y = Sub(%c, const float32[3, 1, 1][1, 2, 3])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %y : float32[n, 3, 3, 3] = Conv(%x, const float32[3, 2, 3, 3]#, const float32[3][0, -1, -2])
  return %y
}
)ir");
}

TEST(BiasFolding, AnOffsetThatVariesElsewhereStays) {
  test::expect_unchanged(bias_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c = Conv(%x, const float32[3, 2, 3, 3]random) {pads = [1, 1, 1, 1]}
  %y = Add(%c, const float32[5][1, 2, 3, 4, 5])
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
