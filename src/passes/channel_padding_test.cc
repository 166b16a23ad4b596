// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(ChannelPadding, OfAnImageAndItsCast) {
  test::expect_rewrite(channel_padding, R"ir(
graph g(%x : float32[n, 3, 8, 8]) {
  %half = Cast(%x) {to = 10}
  %y = Conv(%half, const float16[4, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 8, 8]) {
  %y.1 : float16[n, 4, 8, 8] = PadChannels(%x) {channels = 4, to = 10}
  %y : float16[n, 4, 8, 8] = Conv(%y.1, const float16[4, 4, 3, 3]#) {pads = [1, 1, 1, 1]}
  return %y
}
)ir");
}

TEST(ChannelPadding, NotOfFloat32PixelsGroupsOrManyChannels) {
  test::expect_unchanged(channel_padding, R"ir(
graph g(%x : float32[n, 3, 8, 8], %h : float16[n, 3, 8, 8], %c : float16[n, 8, 8, 8]) {
  %a = Conv(%x, const float32[4, 3, 3, 3]random)
  %b = Conv(%h, const float16[4, 3, 1, 1]random)
  %d = Conv(%h, const float16[3, 1, 3, 3]random) {group = 3}
  %e = Conv(%c, const float16[4, 8, 3, 3]random)
  return %a, %b, %d, %e
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
