// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pattern.h"

#include "passes/testing.h"

namespace penstock::passes {
namespace {

const Pattern kX = var(0);

TEST(Pattern, CommutativeOperandsMatchInBothOrders) {
  ir::Graph graph = test::parsed(R"(
graph g(%x : float32[n], %y : float32[n]) {
  %s = Sigmoid(%x)
  %a = Mul(%x, %s)
  %t = Sigmoid(%y)
  %b = Mul(%t, %y)
  %u = Sigmoid(%x)
  %c = Mul(%u, %y)
  return %a, %b, %c
})");
  const Rewriter rewriter(graph);
  const Pattern silu = commutative("Mul", kX, op("Sigmoid", {kX}));
  EXPECT_EQ(silu.find(graph.find_value("a"), rewriter)->vars[0], graph.find_value("x"));
  EXPECT_EQ(silu.find(graph.find_value("b"), rewriter)->vars[0], graph.find_value("y"));
  EXPECT_FALSE(silu.find(graph.find_value("c"), rewriter)) << "one variable is one value";
}

TEST(Pattern, WhatOthersReadCannotBeCovered) {
  ir::Graph graph = test::parsed(R"(
graph g(%x : float32[n]) {
  %s = Sigmoid(%x)
  %a = Mul(%x, %s)
  %b = Neg(%s)
  return %a, %b
})");
  const Pattern silu = commutative("Mul", kX, op("Sigmoid", {kX}));
  EXPECT_FALSE(silu.find(graph.find_value("a"), Rewriter(graph)));
}

TEST(Pattern, FactorsMatchAsProductsAndQuotients) {
  ir::Graph graph = test::parsed(R"(
graph g(%x : float32[n]) {
  %a = Mul(const float32[1][0.25], %x)
  %b = Div(%x, const float32[][4])
  %c = Div(const float32[][4], %x)
  return %a, %b, %c
})");
  const Rewriter rewriter(graph);
  const Pattern quarter = scaled(kX, 0.25f);
  EXPECT_TRUE(quarter.find(graph.find_value("a"), rewriter));
  EXPECT_TRUE(quarter.find(graph.find_value("b"), rewriter));
  EXPECT_FALSE(quarter.find(graph.find_value("c"), rewriter));
}

TEST(Rewriter, NodesWithoutUsesVanishWithWhatTheyAloneNeeded) {
  ir::Graph graph = test::parsed(R"(
graph g(%x : float32[n]) {
  %a = Neg(%x)
  %b = Abs(%a)
  %y = Add(%x, %b)
  return %y
})");
  Rewriter rewriter(graph);
  rewriter.set_input(*graph.find_value("y")->producer, 1, graph.find_value("x"));
  EXPECT_EQ(graph.main.nodes.size(), 1u);
  EXPECT_EQ(rewriter.users(graph.find_value("x")).size(), 2u);
}

TEST(Rewriter, OutputsStayWhatNodesComputeUnderTheirNames) {
  ir::Graph graph = test::parsed(R"(
graph g(%x : float32[n]) {
  %a = Neg(%x)
  %y = Abs(%a)
  return %y
})");
  Rewriter rewriter(graph);
  EXPECT_FALSE(rewriter.replace(graph.find_value("y"), graph.find_value("x")));
  EXPECT_TRUE(rewriter.replace(graph.find_value("y"), graph.find_value("a")));
  EXPECT_EQ(graph.main.outputs[0]->name, "y");
  EXPECT_EQ(graph.main.outputs[0]->producer->op, "Neg");
  EXPECT_TRUE(ir::verify(graph).is_ok());
}

TEST(Rewriter, AFailedInferenceIsTheStatusOfThePass) {
  ir::Graph graph = test::parsed("graph g(%x : float32[n]) { %y = Neg(%x) return %y }");
  Rewriter rewriter(graph);
  ir::Node& node = graph.main.nodes.front();
  EXPECT_EQ(rewriter.emit(node, node, "NoSuchOperator", {graph.find_value("x")}), nullptr);
  EXPECT_FALSE(rewriter.finish().is_ok());
  EXPECT_EQ(graph.main.nodes.size(), 1u);
}

}  // namespace
}  // namespace penstock::passes
