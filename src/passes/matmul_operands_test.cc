// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(MatmulOperands, TransposesAndAFactor) {
  test::expect_rewrite(matmul_operands, R"ir(
graph g(%a : float32[b, k, 3], %c : float32[b, 5, k]) {
  %at = Transpose(%a) {perm = [0, 2, 1]}
  %ct = Transpose(%c) {perm = [0, 2, 1]}
  %m = MatMul(%at, %ct)
  %y = Div(%m, const float32[][4])
  return %y
}
)ir",
                       R"ir(
graph g(%a : float32[b, k, 3], %c : float32[b, 5, k]) {
  %y : float32[b, 3, 5] = MatMul(%a, %c) {alpha = 0.25f, trans_a = 1, trans_b = 1}
  return %y
}
)ir");
}

TEST(MatmulOperands, OtherTransposesStay) {
  test::expect_unchanged(matmul_operands, R"ir(
graph g(%a : float32[b, 3, k], %c : float32[k, b, 5]) {
  %ct = Transpose(%c) {perm = [1, 0, 2]}
  %y = MatMul(%a, %ct)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
