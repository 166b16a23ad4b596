// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(ResidualNorm, TakesTheSum) {
  test::expect_rewrite(residual_norm, R"ir(
graph g(%a : float32[n, 4], %b : float32[n, 4]) {
  %s = Add(%a, %b)
  %y = LayerNormalization(%s, const float32[4][1, 2, 3, 4], const float32[4][4, 3, 2, 1]) {axis = -1, epsilon = 1e-05f}
  return %y
}
)ir",
                       R"ir(
graph g(%a : float32[n, 4], %b : float32[n, 4]) {
  %y : float32[n, 4] = LayerNormalization(%a, const float32[4][1, 2, 3, 4], const float32[4][4, 3, 2, 1], %b) {axis = -1, epsilon = 1e-05f}
  return %y
}
)ir");
}

TEST(ResidualNorm, HandsTheSumOnWhereOthersWantIt) {
  test::expect_rewrite(residual_norm, R"ir(
graph g(%a : float32[n, 4], %b : float32[n, 4]) {
  %s = Add(%a, %b)
  %t = Neg(%s)
  %n = LayerNormalization(%s, const float32[4][1, 2, 3, 4]) {axis = -1, epsilon = 1e-05f}
  %y = Add(%t, %n)
  return %y
}
)ir",
                       R"ir(
graph g(%a : float32[n, 4], %b : float32[n, 4]) {
  %n : float32[n, 4], %s : float32[n, 4] = LayerNormalization(%a, const float32[4][1, 2, 3, 4], _, %b) {axis = -1, epsilon = 1e-05f}
  %t : float32[n, 4] = Neg(%s)
  %y : float32[n, 4] = Add(%t, %n)
  return %y
}
)ir");
}

TEST(ResidualNorm, NotOfABroadcastSum) {
  test::expect_unchanged(residual_norm, R"ir(
graph g(%a : float32[n, 4], %b : float32[4]) {
  %s = Add(%a, %b)
  %y = LayerNormalization(%s, const float32[4][1, 2, 3, 4]) {axis = -1, epsilon = 1e-05f}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
