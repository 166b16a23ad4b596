// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(AttentionProjections, OneWideProduct) {
  test::expect_rewrite(attention_projections, R"ir(
graph g(%x : float32[b, s, 6]) {
  %q = MatMul(%x, const float32[6, 8]random, const float32[8]random)
  %k = MatMul(%x, const float32[8, 6]random) {trans_b = 1}
  %v = MatMul(%x, const float32[6, 4]random, const float32[4]random)
  %y = Attention(%q, %k, %v) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 0, 0], scale = 0.5f, value_size = 2}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[b, s, 6]) {
  %q.5 : float32[b, s, 20] = MatMul(%x, const float32[6, 20]#, const float32[20]#)
  %y : float32[b, s, 4] = Attention(%q.5, %q.5, %q.5) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 8, 16], scale = 0.5f, value_size = 2}
  return %y
}
)ir");
}

TEST(AttentionProjections, OfKeysAndValuesInCrossAttention) {
  test::expect_rewrite(attention_projections, R"ir(
graph g(%x : float32[b, s, 6], %z : float32[b, t, 6]) {
  %q = MatMul(%x, const float32[6, 8]random)
  %k = MatMul(%z, const float32[6, 8]random)
  %v = MatMul(%z, const float32[6, 8]random)
  %y = Attention(%q, %k, %v) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 0, 0], scale = 0.5f, value_size = 4}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[b, s, 6], %z : float32[b, t, 6]) {
  %q : float32[b, s, 8] = MatMul(%x, const float32[6, 8]#)
  %k.3 : float32[b, t, 16] = MatMul(%z, const float32[6, 16]#)
  %y : float32[b, s, 8] = Attention(%q, %k.3, %k.3) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 0, 8], scale = 0.5f, value_size = 4}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
