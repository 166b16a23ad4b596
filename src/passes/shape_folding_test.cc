// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(ShapeFolding, ShapeChainsBecomeExtents) {
  test::expect_rewrite(shape_folding, R"ir(
graph g(%x : float32[batch, seq, 12]) {
  %s = Shape(%x)
  %b = Gather(%s, const int64[][0]) {axis = 0}
  %b1 = Unsqueeze(%b, const int64[1][0])
  %t = Concat(%b1, const int64[3][-1, 3, 4]) {axis = 0}
  %y = Reshape(%x, %t)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[batch, seq, 12]) {
  %y : float32[batch, seq, 3, 4] = Reshape(%x) {allowzero = 1, shape = {batch, seq, 3, 4}}
  return %y
}
)ir");
}

TEST(ShapeFolding, SqueezeUnsqueezeAndFlattenAreReshapes) {
  test::expect_rewrite(shape_folding, R"ir(
graph g(%x : float32[n, 1, 4]) {
  %a = Squeeze(%x, const int64[1][1])
  %b = Unsqueeze(%a, const int64[2][0, 3])
  %c = Flatten(%b) {axis = 2}
  return %c
}
)ir",
                       R"ir(
graph g(%x : float32[n, 1, 4]) {
  %a : float32[n, 4] = Reshape(%x) {allowzero = 1, shape = {n, 4}}
  %b : float32[1, n, 4, 1] = Reshape(%a) {allowzero = 1, shape = {1, n, 4, 1}}
  %c : float32[n, 4] = Reshape(%b) {allowzero = 1, shape = {n, 4}}
  return %c
}
)ir");
}

TEST(ShapeFolding, ExtentsUsedAsDataBecomeANode) {
  test::expect_rewrite(shape_folding, R"ir(
graph g(%x : float32[n, 4]) {
  %s = Shape(%x)
  %i = Gather(%s, const int64[][0]) {axis = 0}
  %r = Range(const int64[][0], %i, const int64[][1])
  return %r
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %i : int64[] = Extents() {dtype = 7, scalar = 1, values = {n}}
  %r : int64[n] = Range(const int64[][0], %i, const int64[][1])
  return %r
}
)ir");
}

TEST(ShapeFolding, ParametersBecomeAttributes) {
  test::expect_rewrite(shape_folding, R"ir(
graph g(%x : float32[n, 8]) {
  %a = Slice(%x, const int64[1][2], const int64[1][6], const int64[1][1])
  %b = Pad(%a, const int64[4][0, 1, 0, 1])
  %c = Tile(%b, const int64[2][1, 2])
  return %c
}
)ir",
                       R"ir(
graph g(%x : float32[n, 8]) {
  %a : float32[n, 4] = Slice(%x) {axes = [1], ends = [6], starts = [2]}
  %b : float32[n, 6] = Pad(%a) {pads = [0, 1, 0, 1]}
  %c : float32[n, 12] = Tile(%b) {repeats = [1, 2]}
  return %c
}
)ir");
}

TEST(ShapeFolding, AShapeThatDependsOnDataStaysAnInput) {
  test::expect_unchanged(shape_folding, R"ir(
graph g(%x : float32[1, 1], %s : int64[2]) {
  %y = Expand(%x, %s)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
