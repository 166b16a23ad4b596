// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(PointwiseRegions, OneExpression) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%x : float32[n, 4], %z : float32[4]) {
  %a = Mul(%x, %z)
  %b = Add(%a, const float32[][1])
  %c = Tanh(%b)
  %d = Sub(%b, %c)
  %y = Clip(%d, const float32[][0], const float32[][6])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4], %z : float32[4]) {
  %y : float32[n, 4] = Pointwise(%x, %z) {program = "mul(i0,i1);add(t0,1);tanh(t1);sub(t1,t2);clip(t3,0,6)"}
  return %y
}
)ir");
}

TEST(PointwiseRegions, SmallerOperandsStayOutside) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%x : float32[n, 4], %z : float32[n, 1]) {
  %e = Exp(%z)
  %f = Sigmoid(%e)
  %a = Mul(%x, %f)
  %y = Relu(%a)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4], %z : float32[n, 1]) {
  %f : float32[n, 1] = Pointwise(%z) {program = "exp(i0);sigmoid(t0)"}
  %y : float32[n, 4] = Pointwise(%x, %f) {program = "mul(i0,i1);relu(t0)"}
  return %y
}
)ir");
}

TEST(PointwiseRegions, AValueThatIsReadOutsideEndsItsRegion) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Exp(%x)
  %b = Neg(%a)
  %s = Softmax(%b)
  %c = Add(%b, const float32[][1])
  %d = Relu(%c)
  %y = Mul(%d, %s)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %b : float32[n, 4] = Pointwise(%x) {program = "exp(i0);neg(t0)"}
  %s : float32[n, 4] = Softmax(%b)
  %y : float32[n, 4] = Pointwise(%b, %s) {program = "add(i0,1);relu(t0);mul(t1,i1)"}
  return %y
}
)ir");
}

TEST(PointwiseRegions, ConditionsInside) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%x : float32[n, 4], %m : bool[n, 1]) {
  %a = IsNaN(%x)
  %b = Where(%a, const float32[][0], %x)
  %y = Where(%m, %b, const float32[][-1])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4], %m : bool[n, 1]) {
  %y : float32[n, 4] = Pointwise(%x, %m) {program = "is_nan(i0);where(t0,0,i0);where(i1,t1,-1)"}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
