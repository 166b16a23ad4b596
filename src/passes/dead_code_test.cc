// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(DeadCode, RemovesWhatNothingReads) {
  test::expect_rewrite(dead_code, R"ir(
graph g(%x : float32[n]) {
  %a = Neg(%x)
  %b = Abs(%a)
  %y = Relu(%x)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n]) {
  %y : float32[n] = Relu(%x)
  return %y
}
)ir");
}

TEST(DeadCode, DropsOptionalOutputs) {
  test::expect_rewrite(dead_code, R"ir(
graph g(%x : float32[1, 2, 4, 4]) {
  %y, %i = MaxPool(%x) {kernel_shape = [2, 2], strides = [2, 2]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[1, 2, 4, 4]) {
  %y : float32[1, 2, 2, 2] = MaxPool(%x) {kernel_shape = [2, 2], strides = [2, 2]}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
