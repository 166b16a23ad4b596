// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(DynamicProducts, TheZeroPointOfTheRunBecomesABias) {
  test::expect_rewrite(dynamic_products, R"ir(
graph g(%x : uint8[n, 2], %s : float32[], %z : uint8[]) {
  %p = MatMulInteger(%x, const int8[2, 3][1, 2, 3, 4, 5, 6], %z)
  %f = Cast(%p) {to = 1}
  %c = Mul(%s, const float32[3][1, 2, 4])
  %y = Mul(%f, %c)
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2], %s : float32[], %z : uint8[]) {
  %c : float32[3] = Mul(%s, const float32[3][1, 2, 4])
  %y.2 : float32[3] = Pointwise(const float32[3][-5, -7, -9], %z, %c) {program = "mul(i0,i1);mul(t0,i2)"}
  %y : float32[n, 3] = QuantizedMatMul(%x, const int8[2, 3][1, 2, 3, 4, 5, 6], %y.2, %c)
  return %y
}
)ir");
}

TEST(DynamicProducts, OfActivationsTheyStay) {
  test::expect_unchanged(dynamic_products, R"ir(
graph g(%x : uint8[n, 2], %w : uint8[2, 3], %s : float32[]) {
  %p = MatMulInteger(%x, %w)
  %f = Cast(%p) {to = 1}
  %y = Mul(%f, %s)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
