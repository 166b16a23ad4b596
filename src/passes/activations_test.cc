// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(Activations, GeluOfErf) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Div(%x, const float32[][1.4142135])
  %b = Erf(%a)
  %c = Add(%b, const float32[][1])
  %d = Mul(%x, %c)
  %y = Mul(%d, const float32[][0.5])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Gelu(%x)
  return %y
}
)ir");
}

TEST(Activations, GeluOfErfInAnotherOrder) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Mul(const float32[][0.70710677], %x)
  %b = Erf(%a)
  %c = Add(const float32[][1], %b)
  %d = Mul(const float32[][0.5], %x)
  %y = Mul(%c, %d)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Gelu(%x)
  return %y
}
)ir");
}

TEST(Activations, GeluOfTanh) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %h = Mul(%x, const float32[][0.5])
  %p = Pow(%x, const float32[][3])
  %q = Mul(%p, const float32[][0.044715])
  %s = Add(%x, %q)
  %u = Mul(%s, const float32[][0.7978846])
  %t = Tanh(%u)
  %v = Add(%t, const float32[][1])
  %y = Mul(%h, %v)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Gelu(%x) {approximate = "tanh"}
  return %y
}
)ir");
}

TEST(Activations, GeluOfTanhFactored) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %x2 = Mul(%x, %x)
  %a = Mul(const float32[][0.044715], %x2)
  %b = Add(const float32[][1], %a)
  %c = Mul(const float32[][0.7978846], %x)
  %u = Mul(%c, %b)
  %t = Tanh(%u)
  %v = Add(const float32[][1], %t)
  %h = Mul(%x, %v)
  %y = Mul(const float32[][0.5], %h)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Gelu(%x) {approximate = "tanh"}
  return %y
}
)ir");
}

TEST(Activations, SwishAndItsScaledForm) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Sigmoid(%x)
  %b = Mul(%a, %x)
  %c = Mul(%b, const float32[][1.702])
  %d = Sigmoid(%c)
  %y = Mul(%b, %d)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %b : float32[n, 4] = Swish(%x)
  %y : float32[n, 4] = Swish(%b) {alpha = 1.702f}
  return %y
}
)ir");
}

TEST(Activations, HardSwishAndHardSigmoid) {
  test::expect_rewrite(activations, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Add(%x, const float32[][3])
  %b = Clip(%a, const float32[][0], const float32[][6])
  %c = Mul(%x, %b)
  %h = Div(%c, const float32[][6])
  %d = HardSigmoid(%h) {alpha = 0.16666667f, beta = 0.5f}
  %e = Mul(%h, %d)
  %f = Add(%e, const float32[][3])
  %i = Clip(%f, const float32[][0], const float32[][6])
  %y = Div(%i, const float32[][6])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %h : float32[n, 4] = HardSwish(%x)
  %e : float32[n, 4] = HardSwish(%h)
  %y : float32[n, 4] = HardSigmoid(%e) {alpha = 0.16666667f, beta = 0.5f}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
