// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(PadFolding, BecomesPaddingOfTheConvolution) {
  test::expect_rewrite(pad_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %p = Pad(%x) {mode = "constant", pads = [0, 0, 1, 2, 0, 0, 3, 4]}
  %y = Conv(%p, const float32[3, 2, 3, 3]random) {pads = [1, 1, 1, 1]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %y : float32[n, 3, 9, 11] = Conv(%x, const float32[3, 2, 3, 3]#) {pads = [2, 3, 4, 5]}
  return %y
}
)ir");
}

TEST(PadFolding, AnAverageThenCountsIt) {
  test::expect_rewrite(pad_folding, R"ir(
graph g(%x : float32[n, 2, 6, 6]) {
  %p = Pad(%x) {pads = [0, 0, 1, 1, 0, 0, 1, 1]}
  %y = AveragePool(%p) {kernel_shape = [2, 2], strides = [2, 2]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2, 6, 6]) {
  %y : float32[n, 2, 4, 4] = AveragePool(%x) {count_include_pad = 1, kernel_shape = [2, 2], pads = [1, 1, 1, 1], strides = [2, 2]}
  return %y
}
)ir");
}

TEST(PadFolding, OtherPadsStay) {
  test::expect_unchanged(pad_folding, R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %p = Pad(%x, _, const float32[][1]) {pads = [0, 0, 1, 1, 0, 0, 1, 1]}
  %y = Conv(%p, const float32[3, 2, 3, 3]random)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
