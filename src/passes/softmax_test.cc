// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(Softmax, OfPowersAndTheirSum) {
  test::expect_rewrite(softmax, R"ir(
graph g(%x : float32[n, 4]) {
  %m = ReduceMax(%x) {axes = [-1]}
  %d = Sub(%x, %m)
  %e = Exp(%d)
  %s = ReduceSum(%e) {axes = [1]}
  %y = Div(%e, %s)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Softmax(%x) {axis = 1}
  return %y
}
)ir");
}

TEST(Softmax, NotOverTwoDifferentAxes) {
  test::expect_unchanged(softmax, R"ir(
graph g(%x : float32[n, 4]) {
  %m = ReduceMax(%x) {axes = [0]}
  %d = Sub(%x, %m)
  %e = Exp(%d)
  %s = ReduceSum(%e) {axes = [1]}
  %y = Div(%e, %s)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
