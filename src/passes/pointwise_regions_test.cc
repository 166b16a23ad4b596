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

TEST(PointwiseRegions, QuantizedIslandsAreOnePass) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%a : uint8[n, 4], %b : int8[n, 4]) {
  %x = DequantizeLinear(%a, const float32[][0.5], const uint8[][3])
  %s = Sigmoid(%x)
  %q = QuantizeLinear(%s, const float32[][0.00390625], const uint8[][0])
  %d = DequantizeLinear(%q, const float32[][0.00390625], const uint8[][0])
  %m = Mul(%x, %d)
  %h = DequantizeLinear(%b, const float32[][0.25])
  %t = Add(%m, %h)
  %y = QuantizeLinear(%t, const float32[][0.5], const int8[][-3]) {output_dtype = 3}
  return %y
}
)ir",
                       R"ir(
graph g(%a : uint8[n, 4], %b : int8[n, 4]) {
  %y : int8[n, 4] = Pointwise(%a, %b) {output_dtype = 3, program = "sub(i0,3);mul(t0,0.5);sigmoid(t1);div(t2,0.00390625);round(t3);clip(t4,0,255);mul(t5,0.00390625);mul(t1,t6);mul(i1,0.25);add(t7,t8);div(t9,0.5);round(t10);add(t11,-3);clip(t12,-128,127)"}
  return %y
}
)ir");
}

TEST(PointwiseRegions, DequantizationIsRepeatedRatherThanStored) {
  test::expect_rewrite(pointwise_regions, R"ir(
graph g(%a : uint8[n, 4]) {
  %x = DequantizeLinear(%a, const float32[][0.5])
  %s = Softmax(%x) {axis = 1}
  %y = Relu(%x)
  return %s, %y
}
)ir",
                       R"ir(
graph g(%a : uint8[n, 4]) {
  %x : float32[n, 4] = Pointwise(%a) {program = "mul(i0,0.5)"}
  %s : float32[n, 4] = Softmax(%x) {axis = 1}
  %y : float32[n, 4] = Pointwise(%a) {program = "mul(i0,0.5);relu(t0)"}
  return %s, %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
