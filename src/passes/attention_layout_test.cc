// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(AttentionLayout, HeadsSideBySide) {
  test::expect_rewrite(attention_layout, R"ir(
graph g(%q : float32[b, s, 8], %k : float32[b, t, 8], %v : float32[b, t, 6]) {
  %q4 = Reshape(%q) {allowzero = 1, shape = {b, s, 2, 4}}
  %k4 = Reshape(%k) {allowzero = 1, shape = {b, t, 2, 4}}
  %v4 = Reshape(%v) {allowzero = 1, shape = {b, t, 2, 3}}
  %qh = Transpose(%q4) {perm = [0, 2, 1, 3]}
  %kh = Transpose(%k4) {perm = [0, 2, 1, 3]}
  %vh = Transpose(%v4) {perm = [0, 2, 1, 3]}
  %a = Attention(%qh, %kh, %vh) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 3}
  %t4 = Transpose(%a) {perm = [0, 2, 1, 3]}
  %y = Reshape(%t4) {allowzero = 1, shape = {b, s, 6}}
  return %y
}
)ir",
                       R"ir(
graph g(%q : float32[b, s, 8], %k : float32[b, t, 8], %v : float32[b, t, 6]) {
  %a.0 : float32[b, s, 6] = Attention(%q, %k, %v) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 0, 0], scale = 0.5f, value_size = 3}
  %t4 : float32[b, s, 2, 3] = Reshape(%a.0) {allowzero = 1, shape = {b, s, 2, 3}}
  %y : float32[b, s, 6] = Reshape(%t4) {allowzero = 1, shape = {b, s, 6}}
  return %y
}
)ir");
}

TEST(AttentionLayout, SplitOfAPackedProduct) {
  test::expect_rewrite(attention_layout, R"ir(
graph g(%x : float32[b, s, 24]) {
  %q, %k, %v = Split(%x) {axis = 2, split = [8, 8, 8]}
  %q4 = Reshape(%q) {allowzero = 1, shape = {b, s, 2, 4}}
  %k4 = Reshape(%k) {allowzero = 1, shape = {b, s, 2, 4}}
  %v4 = Reshape(%v) {allowzero = 1, shape = {b, s, 2, 4}}
  %qh = Transpose(%q4) {perm = [0, 2, 1, 3]}
  %kh = Transpose(%k4) {perm = [0, 2, 1, 3]}
  %vh = Transpose(%v4) {perm = [0, 2, 1, 3]}
  %a = Attention(%qh, %kh, %vh) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 4}
  %y = Transpose(%a) {perm = [0, 2, 1, 3]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[b, s, 24]) {
  %a.0 : float32[b, s, 8] = Attention(%x, %x, %x) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 8, 16], scale = 0.5f, value_size = 4}
  %y : float32[b, s, 2, 4] = Reshape(%a.0) {allowzero = 1, shape = {b, s, 2, 4}}
  return %y
}
)ir");
}

TEST(AttentionLayout, GathersFromFiveAxes) {
  test::expect_rewrite(attention_layout, R"ir(
graph g(%x : float32[b, s, 24]) {
  %r = Reshape(%x) {allowzero = 1, shape = {b, s, 3, 2, 4}}
  %p = Transpose(%r) {perm = [2, 0, 3, 1, 4]}
  %q = Gather(%p, const int64[][0]) {axis = 0}
  %k = Gather(%p, const int64[][1]) {axis = 0}
  %v = Gather(%p, const int64[][-1]) {axis = 0}
  %a = Attention(%q, %k, %v) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 4}
  %y = Transpose(%a) {perm = [0, 2, 1, 3]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[b, s, 24]) {
  %a.3 : float32[b, s, 8] = Attention(%x, %x, %x) {head_size = 4, heads = 2, layout = "bshd", offsets = [0, 8, 16], scale = 0.5f, value_size = 4}
  %y : float32[b, s, 2, 4] = Reshape(%a.3) {allowzero = 1, shape = {b, s, 2, 4}}
  return %y
}
)ir");
}

TEST(AttentionLayout, KeysFromElsewhereStayAsTheyAre) {
  test::expect_unchanged(attention_layout, R"ir(
graph g(%q : float32[b, s, 8], %k : float32[b, 2, t, 4], %v : float32[b, 2, t, 4]) {
  %q4 = Reshape(%q) {allowzero = 1, shape = {b, s, 2, 4}}
  %qh = Transpose(%q4) {perm = [0, 2, 1, 3]}
  %a = Attention(%qh, %k, %v) {head_size = 4, heads = 2, layout = "bhsd", scale = 0.5f, value_size = 4}
  %y = Transpose(%a) {perm = [0, 2, 1, 3]}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
