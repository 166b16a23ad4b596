// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(Mlp, TakesTheLayersTheirRowsAndTheLastCast) {
  test::expect_rewrite(mlp, R"ir(
graph g(%x : float32[n, 5], %i : int64[n]) {
  %rows = EmbeddingConcat(%x, const float16[3, 4]random, %i) {pieces = [0, -1, 1, -1], to = 10}
  %a = MatMul(%rows, const float16[9, 16]random, const float16[16]random) {epilogue = "relu"}
  %b = MatMul(%a, const float16[7, 16]random) {trans_b = 1}
  %c = MatMul(%b, const float16[7, 1][0, 0, 0, 0, 0, 0, 0], const float16[1][0.5]) {epilogue = "relu"}
  %y = Cast(%c) {to = 1}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 5], %i : int64[n]) {
  %y : float32[n, 1] = MLP(%x, const float16[3, 4]#, %i, const float16[9, 16]#, const float16[16]#, const float16[7, 16]#, _, const float16[7, 1][0, 0, 0, 0, 0, 0, 0], const float16[1][0.5]) {epilogue = "relu||relu", pieces = [0, -1, 1, -1], to = 1, trans_b = [0, 1, 0]}
  return %y
}
)ir");
}

TEST(Mlp, MakesItsOwnConcatAndCast) {
  test::expect_rewrite(mlp, R"ir(
graph g(%x : float16[n, 2], %z : float16[n, 3], %f : float32[n, 4]) {
  %rows = Concat(%x, %z) {axis = 1}
  %a = MatMul(%rows, const float16[5, 8]random)
  %b = MatMul(%a, const float16[8, 2]random)
  %half = Cast(%f) {to = 10}
  %c = MatMul(%half, const float16[4, 8]random)
  %d = MatMul(%c, const float16[8, 2]random)
  %y = Add(%b, %d)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float16[n, 2], %z : float16[n, 3], %f : float32[n, 4]) {
  %b : float16[n, 2] = MLP(%x, %z, const float16[5, 8]#, _, const float16[8, 2]#, _) {epilogue = "|", pieces = [0, -1, 0, -1], to = 10, trans_b = [0, 0]}
  %d : float16[n, 2] = MLP(%f, const float16[4, 8]#, _, const float16[8, 2]#, _) {epilogue = "|", pieces = [0, -1], to = 10, trans_b = [0, 0]}
  %y : float16[n, 2] = Add(%b, %d)
  return %y
}
)ir");
}

TEST(Mlp, NotOfFloat32OneLayerOperandsOrResultsThatOthersUse) {
  test::expect_unchanged(mlp, R"ir(
graph g(%x : float32[n, 4], %h : float16[n, 4]) {
  %a = MatMul(%x, const float32[4, 4]random)
  %b = MatMul(%a, const float32[4, 4]random)
  %c = MatMul(%h, const float16[4, 4]random)
  %d = MatMul(%c, const float16[4, 4]random, _, %h) {epilogue = "add(3)"}
  %e = MatMul(%d, const float16[4, 4]random)
  %f = MatMul(%e, const float16[4, 4]random)
  return %b, %e, %f
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
