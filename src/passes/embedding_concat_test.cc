// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(EmbeddingConcat, OneTableWithOffsets) {
  test::expect_rewrite(embedding_concat, R"ir(
graph g(%dense : float32[n, 3], %categories : int64[n, 2]) {
  %i = Add(%categories, const int64[2][0, 3])
  %e = Gather(const float32[6, 4]random, %i)
  %flat = Reshape(%e) {shape = {n, 8}}
  %y = Concat(%flat, %dense) {axis = 1}
  return %y
}
)ir",
                       R"ir(
graph g(%dense : float32[n, 3], %categories : int64[n, 2]) {
  %y : float32[n, 11] = EmbeddingConcat(const float32[6, 4]#, %categories, const int64[2][0, 3], %dense) {pieces = [2, -1, 0, -1], to = 1}
  return %y
}
)ir");
}

TEST(EmbeddingConcat, ATableForEachColumnAndACast) {
  test::expect_rewrite(embedding_concat, R"ir(
graph g(%dense : float32[n, 3], %categories : int64[n, 2]) {
  %a = Gather(%categories, const int64[][0]) {axis = 1}
  %b = Gather(%categories, const int64[][-1]) {axis = 1}
  %more = Add(%b, const int64[][1])
  %ea = Gather(const float16[3, 8]random, %a)
  %eb = Gather(const float16[4, 2]random, %more)
  %half = Cast(%dense) {to = 10}
  %y = Concat(%half, %ea, %eb) {axis = -1}
  return %y
}
)ir",
                       R"ir(
graph g(%dense : float32[n, 3], %categories : int64[n, 2]) {
  %y : float16[n, 13] = EmbeddingConcat(%dense, const float16[3, 8]#, %categories, const float16[4, 2]#, %categories, const int64[][1]) {pieces = [0, -1, 1, 0, 2, 1], to = 10}
  return %y
}
)ir");
}

TEST(EmbeddingConcat, WhatOthersUseIsAPieceAsItIs) {
  test::expect_rewrite(embedding_concat, R"ir(
graph g(%i : int64[n], %j : int64[n]) {
  %a = Gather(const float32[3, 4]random, %i)
  %b = Gather(const float32[3, 4]random, %j)
  %c = Concat(%a, %b) {axis = 1}
  %s = Neg(%b)
  %y = Concat(%s, %c) {axis = 1}
  return %y
}
)ir",
                       R"ir(
graph g(%i : int64[n], %j : int64[n]) {
  %b : float32[n, 4] = Gather(const float32[3, 4]#, %j)
  %c : float32[n, 8] = EmbeddingConcat(const float32[3, 4]#, %i, %b) {pieces = [1, -1, 0, -1], to = 1}
  %s : float32[n, 4] = Neg(%b)
  %y : float32[n, 12] = Concat(%s, %c) {axis = 1}
  return %y
}
)ir");
}

TEST(EmbeddingConcat, NotOfWholeTensorsNorAlongRows) {
  test::expect_unchanged(embedding_concat, R"ir(
graph g(%x : float32[n, 4], %i : int64[n]) {
  %e = Gather(const float32[3, 4]random, %i)
  %rows = Concat(%x, %e) {axis = 0}
  %y = Concat(%rows, %rows) {axis = 1}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
