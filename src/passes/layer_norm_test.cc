// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(LayerNorm, OfMeansSquaresAndARoot) {
  test::expect_rewrite(layer_norm, R"ir(
graph g(%x : float32[n, s, 4]) {
  %m = ReduceMean(%x) {axes = [-1]}
  %d = Sub(%x, %m)
  %q = Pow(%d, const float32[][2])
  %v = ReduceMean(%q) {axes = [-1]}
  %e = Add(%v, const float32[][1e-05])
  %r = Sqrt(%e)
  %z = Div(%d, %r)
  %p = Mul(%z, const float32[4][1, 2, 3, 4])
  %y = Add(const float32[4][4, 3, 2, 1], %p)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, s, 4]) {
  %y : float32[n, s, 4] = LayerNormalization(%x, const float32[4][1, 2, 3, 4], const float32[4][4, 3, 2, 1]) {axis = -1, epsilon = 1e-05f}
  return %y
}
)ir");
}

TEST(LayerNorm, WithoutScaleAndInOtherWords) {
  test::expect_rewrite(layer_norm, R"ir(
graph g(%x : float32[n, 4]) {
  %m = ReduceMean(%x) {axes = [1], keepdims = 1}
  %d = Sub(%x, %m)
  %q = Mul(%d, %d)
  %v = ReduceMean(%q) {axes = [1], keepdims = 1}
  %e = Add(const float32[][1e-05], %v)
  %r = Sqrt(%e)
  %i = Reciprocal(%r)
  %y = Mul(%i, %d)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = LayerNormalization(%x, const float32[4][1, 1, 1, 1]) {axis = -1, epsilon = 1e-05f}
  return %y
}
)ir");
}

TEST(LayerNorm, OfRootMeanSquares) {
  test::expect_rewrite(layer_norm, R"ir(
graph g(%x : float32[n, s, 4]) {
  %q = Pow(%x, const float32[][2])
  %v = ReduceMean(%q) {axes = [-1]}
  %e = Add(%v, const float32[][1e-06])
  %r = Sqrt(%e)
  %i = Reciprocal(%r)
  %z = Mul(%x, %i)
  %y = Mul(const float32[4][1, 2, 3, 4], %z)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, s, 4]) {
  %y : float32[n, s, 4] = RMSNormalization(%x, const float32[4][1, 2, 3, 4]) {axis = -1, epsilon = 1e-06f}
  return %y
}
)ir");
}

TEST(LayerNorm, OfRootMeanSquaresByAPower) {
  test::expect_rewrite(layer_norm, R"ir(
graph g(%x : float32[n, 4]) {
  %q = Mul(%x, %x)
  %v = ReduceMean(%q) {axes = [1]}
  %e = Add(const float32[][1e-06], %v)
  %i = Pow(%e, const float32[][-0.5])
  %y = Mul(%i, %x)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = RMSNormalization(%x, const float32[4][1, 1, 1, 1]) {axis = -1, epsilon = 1e-06f}
  return %y
}
)ir");
}

TEST(LayerNorm, NotAlongAnotherAxis) {
  test::expect_unchanged(layer_norm, R"ir(
graph g(%x : float32[4, 4]) {
  %q = Mul(%x, %x)
  %v = ReduceMean(%q) {axes = [0]}
  %e = Add(const float32[][1e-06], %v)
  %r = Sqrt(%e)
  %y = Div(%x, %r)
  return %y
}
)ir");
}

TEST(LayerNorm, NotWhereAPartIsAnOutput) {
  test::expect_unchanged(layer_norm, R"ir(
graph g(%x : float32[n, 4]) {
  %m = ReduceMean(%x) {axes = [1]}
  %d = Sub(%x, %m)
  %q = Mul(%d, %d)
  %v = ReduceMean(%q) {axes = [1]}
  %e = Add(%v, const float32[][1e-05])
  %r = Sqrt(%e)
  %y = Div(%d, %r)
  return %y, %r
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
