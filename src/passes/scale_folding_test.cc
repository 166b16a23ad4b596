// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(ScaleFolding, JoinsWeightsAndBias) {
  test::expect_rewrite(scale_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c = Conv(%x, const float32[3, 2, 3, 3]random, const float32[3][1, 2, 3])
  %y = Mul(%c, const float32[3, 1, 1][2, 3, 4])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %y : float32[n, 3, 3, 3] = Conv(%x, const float32[3, 2, 3, 3]#, const float32[3][2, 6, 12])
  return %y
}
)ir");
}

TEST(ScaleFolding, JoinsThroughATranspose) {
  test::expect_rewrite(scale_folding, R"ir(
graph g(%x : float32[n, 5, 6, 8]) {
  %m = MatMul(%x, const float32[8, 3]random, const float32[3][1, 2, 3])
  %t = Transpose(%m) {perm = [0, 3, 1, 2]}
  %y = Mul(const float32[3, 1, 1][2, 3, 4], %t)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 5, 6, 8]) {
  %m : float32[n, 5, 6, 3] = MatMul(%x, const float32[8, 3]#, const float32[3][2, 6, 12])
  %y : float32[n, 3, 5, 6] = Transpose(%m) {perm = [0, 3, 1, 2]}
  return %y
}
)ir");
}

TEST(ScaleFolding, ADivisorOfATransposedWeight) {
  test::expect_rewrite(scale_folding, R"ir(
graph g(%x : float32[n, 8]) {
  %m = MatMul(%x, const float32[3, 8]random) {trans_b = 1}
  %y = Div(%m, const float32[][8])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 8]) {
  %y : float32[n, 3] = MatMul(%x, const float32[3, 8]#) {trans_b = 1}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
