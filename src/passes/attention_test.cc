// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(Attention, ScaledProductsWithAFloatMask) {
  test::expect_rewrite(attention, R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 3], %m : float32[b, 1, 1, t]) {
  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}
  %p = MatMul(%q, %kt)
  %c = Mul(%p, const float32[][0.5])
  %a = Add(%c, %m)
  %w = Softmax(%a) {axis = -1}
  %y = MatMul(%w, %v)
  return %y
}
)ir",
                       R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 3], %m : float32[b, 1, 1, t]) {
  %y : float32[b, 2, s, 3] = Attention(%q, %k, %v, %m) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 3}
  return %y
}
)ir");
}

TEST(Attention, RootScalesOnBothSidesAndAGuardAgainstNaN) {
  test::expect_rewrite(attention, R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, t, 2, 4], %v : float32[b, 2, t, 3], %m : bool[b, 1, 1, t]) {
  %qs = Mul(%q, const float32[][0.70710677])
  %kt = Transpose(%k) {perm = [0, 2, 3, 1]}
  %ks = Mul(%kt, const float32[][0.70710677])
  %p = MatMul(%qs, %ks)
  %f = Where(%m, const float32[1][0], const float32[1][-inf])
  %a = Add(%p, %f)
  %w = Softmax(%a) {axis = 3}
  %i = IsNaN(%w)
  %z = Where(%i, const float32[][0], %w)
  %y = MatMul(%z, %v)
  return %y
}
)ir",
                       R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, t, 2, 4], %v : float32[b, 2, t, 3], %m : bool[b, 1, 1, t]) {
  %kt.5 : float32[b, 2, t, 4] = Transpose(%k) {perm = [0, 2, 1, 3]}
  %y : float32[b, 2, s, 3] = Attention(%q, %kt.5, %v, %m) {head_size = 4, heads = 2, layout = "bhsd", nan_to_zero = 1, scale = 0.49999997f, value_size = 3}
  return %y
}
)ir");
}

TEST(Attention, ScoresReplacedByALargeNegativeNumber) {
  test::expect_rewrite(attention, R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 3], %m : bool[1, 1, s, t]) {
  %p = MatMul(%q, %k) {trans_b = 1}
  %c = Div(%p, const float32[][2])
  %a = Where(%m, %c, const float32[][-1e9])
  %w = Softmax(%a)
  %y = MatMul(%w, %v)
  return %y
}
)ir",
                       R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 3], %m : bool[1, 1, s, t]) {
  %a.4 : float32[1, 1, s, t] = Where(%m, const float32[][0], const float32[][-1000000000])
  %y : float32[b, 2, s, 3] = Attention(%q, %k, %v, %a.4) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 3}
  return %y
}
)ir");
}

TEST(Attention, WindowsWithABiasAndAShiftMask) {
  test::expect_rewrite(attention, R"ir(
graph g(%q : float32[6*b, 2, 4, 4], %k : float32[6*b, 2, 4, 4], %v : float32[6*b, 2, 4, 4]) {
  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}
  %p = MatMul(%q, %kt)
  %a = Add(%p, const float32[1, 2, 4, 4]random)
  %r = Reshape(%a) {allowzero = 1, shape = {b, 6, 2, 4, 4}}
  %s = Add(%r, const float32[1, 6, 1, 4, 4]random)
  %u = Reshape(%s) {allowzero = 1, shape = {6*b, 2, 4, 4}}
  %w = Softmax(%u)
  %y = MatMul(%w, %v)
  return %y
}
)ir",
                       R"ir(
graph g(%q : float32[6*b, 2, 4, 4], %k : float32[6*b, 2, 4, 4], %v : float32[6*b, 2, 4, 4]) {
  %s.2 : float32[6, 1, 4, 4] = Reshape(const float32[1, 6, 1, 4, 4]#) {shape = {6, 1, 4, 4}}
  %a.3 : float32[6, 2, 4, 4] = Add(%s.2, const float32[1, 2, 4, 4]#)
  %y : float32[6*b, 2, 4, 4] = Attention(%q, %k, %v, %a.3) {head_size = 4, heads = 2, layout = "bhsd", scale = 1f, value_size = 4}
  return %y
}
)ir");
}

TEST(Attention, NotWhereTheWeightsAreWantedToo) {
  test::expect_unchanged(attention, R"ir(
graph g(%q : float32[b, 2, s, 4], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 3]) {
  %p = MatMul(%q, %k) {trans_b = 1}
  %w = Softmax(%p)
  %y = MatMul(%w, %v)
  return %y, %w
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
