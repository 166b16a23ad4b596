// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/symbols.h"

#include <gtest/gtest.h>

#include "ir/parse.h"
#include "passes/pass.h"

namespace penstock::passes {
namespace {

ir::Graph typed(std::string_view text) {
  Result<ir::Graph> graph = ir::parse_text(text);
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  return graph.is_ok() ? std::move(*graph) : ir::Graph();
}

TEST(InferShapes, ASymbolThatBecameKnownIsReplacedInAttributesToo) {
  ir::Graph graph = typed(R"(
graph g(%x : float32[6]) {
  %a : float32[u0, u1] = Reshape(%x, const int64[2][2, 3])
  %b : float32[1, u0, u1] = Reshape(%a) {allowzero = 1, shape = {1, u0, u1}}
  %c : float32[min(u1, 2)] = ConstantOfShape() {dtype = 1, shape = {min(u1, 2)}, value = 0f}
  return %b, %c
})");
  const Status done = infer_shapes(graph);
  ASSERT_TRUE(done.is_ok()) << done.message();
  EXPECT_EQ(ir::to_text(graph), R"(graph g(%x : float32[6]) {
  %a : float32[2, 3] = Reshape(%x, const int64[2][2, 3])
  %b : float32[1, 2, 3] = Reshape(%a) {allowzero = 1, shape = {1, 2, 3}}
  %c : float32[2] = ConstantOfShape() {dtype = 1, shape = {2}, value = 0f}
  return %b, %c
}
)");
}

TEST(InferShapes, ASymbolOfTheRunStays) {
  const std::string text = R"(graph g(%x : bool[n]) {
  %a : int64[1, u0] = NonZero(%x)
  %b : int64[u0, 1] = Reshape(%a) {allowzero = 1, shape = {u0, 1}}
  return %b
}
)";
  ir::Graph graph = typed(text);
  const Status done = infer_shapes(graph);
  ASSERT_TRUE(done.is_ok()) << done.message();
  EXPECT_EQ(ir::to_text(graph), text);
}

TEST(CheckSymbols, NamesWhatNothingComputes) {
  const ir::Graph graph = typed(R"(
graph g(%x : bool[n]) {
  %a : int64[1, u0] = NonZero(%x)
  %b : int64[u1, 1] = Reshape(%a) {allowzero = 1, shape = {u1, 1}}
  return %b
})");
  EXPECT_EQ(check_symbols(graph).message(),
            "attribute 'shape' of node 'b' (Reshape) needs 'u1', which nothing before it computes");
}

TEST(Substitute, OneSymbolMayStandForAnother) {
  ir::Graph graph = typed(R"(
graph g(%x : float32[u1]) {
  %y : float32[2*u2] = Pad(%x) {pads = {0, u2}}
  return %y
})");
  substitute(graph, {{"u2", ir::Dim::symbol("u1")}, {"u1", ir::Dim(4)}});
  EXPECT_EQ(ir::to_text(graph), R"(graph g(%x : float32[4]) {
  %y : float32[8] = Pad(%x) {pads = [0, 4]}
  return %y
}
)");
}

}  // namespace
}  // namespace penstock::passes
