// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(ConstantFolding, RunsNodesOfConstants) {
  test::expect_rewrite(constant_folding, R"ir(
graph g(%x : float32[n, 2]) {
  %a = Mul(const float32[2][1, 2], const float32[][3])
  %b = Neg(%a)
  %y = Add(%x, %b)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2]) {
  %y : float32[n, 2] = Add(%x, const float32[2][-3, -6])
  return %y
}
)ir");
}

TEST(ConstantFolding, TakesKnownContentsOfValuesThatAreNotConstant) {
  test::expect_rewrite(constant_folding, R"ir(
graph g(%x : float32[n, 3, 4]) {
  %s = Shape(%x)
  %c = Gather(%s, const int64[][1]) {axis = 0}
  %f = Cast(%c) {to = 1}
  %r = Sqrt(%f)
  %y = Div(%x, %r)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 4]) {
  %y : float32[n, 3, 4] = Div(%x, const float32[][1.7320508])
  return %y
}
)ir");
}

TEST(ConstantFolding, AnOutputStaysWhatANodeComputes) {
  test::expect_rewrite(constant_folding, R"ir(
graph g(%x : float32[2]) {
  %y = Add(const float32[2][1, 2], const float32[2][3, 4])
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[2]) {
  %y : float32[2] = Copy(const float32[2][4, 6])
  return %y
}
)ir");
}

TEST(ConstantFolding, WeightsOf8BitsWaitForTheProducts) {
  constexpr std::string_view kText = R"ir(
graph g(%x : float32[n, 2]) {
  %w = DequantizeLinear(const int8[2][3, -1], const float32[][0.5])
  %b = DequantizeLinear(const int32[2][30, -10], const float32[][0.5])
  %s = Mul(%x, %w)
  %y = Add(%s, %b)
  return %y
}
)ir";
  test::expect_rewrite(constant_folding, kText, R"ir(
graph g(%x : float32[n, 2]) {
  %w : float32[2] = DequantizeLinear(const int8[2][3, -1], const float32[][0.5])
  %s : float32[n, 2] = Mul(%x, %w)
  %y : float32[n, 2] = Add(%s, const float32[2][15, -5])
  return %y
}
)ir");
  test::expect_rewrite(dequantized_constants, kText, R"ir(
graph g(%x : float32[n, 2]) {
  %b : float32[2] = DequantizeLinear(const int32[2][30, -10], const float32[][0.5])
  %s : float32[n, 2] = Mul(%x, const float32[2][1.5, -0.5])
  %y : float32[n, 2] = Add(%s, %b)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
