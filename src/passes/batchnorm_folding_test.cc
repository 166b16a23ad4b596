// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(BatchnormFolding, GoesIntoTheConvolution) {
  test::expect_rewrite(batchnorm_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c = Conv(%x, const float32[3, 2, 3, 3]random) {pads = [1, 1, 1, 1]}
  %y = BatchNormalization(%c, const float32[3][1, 2, 3], const float32[3][0, 1, 0], const float32[3][0.5, 0, 1], const float32[3][1, 4, 0.25])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %y : float32[n, 3, 5, 5] = Conv(%x, const float32[3, 2, 3, 3]#, const float32[3][-0.4999975, 1, -5.99988]) {pads = [1, 1, 1, 1]}
  return %y
}
)ir");
}

TEST(BatchnormFolding, GoesIntoATransposedConvolutionOfGroups) {
  test::expect_rewrite(batchnorm_folding, R"ir(
graph g(%x : float32[n, 4, 3, 3]) {
  %c = ConvTranspose(%x, const float32[4, 3, 2, 2]random, const float32[6]random) {group = 2, strides = [2, 2]}
  %y = BatchNormalization(%c, const float32[6]random, const float32[6]random, const float32[6]random, const float32[6][1, 2, 1, 3, 1, 0.5])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4, 3, 3]) {
  %y : float32[n, 6, 6, 6] = ConvTranspose(%x, const float32[4, 3, 2, 2]#, const float32[6]#) {group = 2, strides = [2, 2]}
  return %y
}
)ir");
}

TEST(BatchnormFolding, BecomesMulAndAddElsewhere) {
  test::expect_rewrite(batchnorm_folding, R"ir(
graph g(%x : float32[n, 2, 5]) {
  %r = Relu(%x)
  %y = BatchNormalization(%r, const float32[2][1, 2], const float32[2][0, 1], const float32[2][0.5, 0], const float32[2][1, 4])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5]) {
  %r : float32[n, 2, 5] = Relu(%x)
  %y.4 : float32[n, 2, 5] = Mul(%r, const float32[2, 1][0.999995, 0.99999875])
  %y : float32[n, 2, 5] = Add(%y.4, const float32[2, 1][-0.4999975, 1])
  return %y
}
)ir");
}

TEST(BatchnormFolding, StaysOutOfAConvolutionWithOtherUsers) {
  test::expect_rewrite(batchnorm_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c = Conv(%x, const float32[2, 2, 3, 3]random) {pads = [1, 1, 1, 1]}
  %b = BatchNormalization(%c, const float32[2][1, 2], const float32[2][0, 1], const float32[2][0.5, 0], const float32[2][1, 4])
  %y = Mul(%b, %c)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %c : float32[n, 2, 5, 5] = Conv(%x, const float32[2, 2, 3, 3]#) {pads = [1, 1, 1, 1]}
  %b.5 : float32[n, 2, 5, 5] = Mul(%c, const float32[2, 1, 1][0.999995, 0.99999875])
  %b : float32[n, 2, 5, 5] = Add(%b.5, const float32[2, 1, 1][-0.4999975, 1])
  %y : float32[n, 2, 5, 5] = Mul(%b, %c)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
