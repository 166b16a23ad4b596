// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <gtest/gtest.h>

#include "ir/parse.h"

namespace penstock::ir {
namespace {

Graph parsed(std::string_view text) {
  Result<Graph> graph = parse_text(text);
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  return graph.is_ok() ? std::move(*graph) : Graph();
}

TEST(Graph, NamesAreUnique) {
  Graph graph;
  Value* first = graph.add_value("x", DataType::kFloat32, {});
  Value* second = graph.add_value("x", DataType::kFloat32, {});
  EXPECT_EQ(first->name, "x");
  EXPECT_NE(second->name, "x");
  EXPECT_EQ(graph.find_value("x"), first);
  EXPECT_EQ(graph.find_value(second->name), second);
  EXPECT_EQ(graph.find_value("y"), nullptr);
}

TEST(Graph, SmallIntegerConstantsHaveContents) {
  Graph graph;
  EXPECT_EQ(graph.add_int64_constant({2, 3})->contents->at(1), Dim(3));
  EXPECT_FALSE(graph.add_float_constant(1.0f)->contents.has_value());
}

TEST(Graph, ReplaceUsesReachesRegionsAndOutputs) {
  Graph graph = parsed(R"(graph g(%c : bool[], %x : float32[2], %z : float32[2]) {
    %y : float32[2] = If(%c) region() { %t : float32[2] = Neg(%x) return %t } region() { return %x }
    return %y, %x
  })");
  graph.replace_uses(graph.find_value("x"), graph.find_value("z"));
  EXPECT_EQ(to_text(graph), R"(graph g(%c : bool[], %x : float32[2], %z : float32[2]) {
  %y : float32[2] = If(%c)
    region() {
      %t : float32[2] = Neg(%z)
      return %t
    }
    region() {
      return %z
    }
  return %y, %z
}
)");
  EXPECT_TRUE(verify(graph).is_ok());
}

TEST(Graph, InsertAndEraseKeepProducers) {
  Graph graph = parsed("graph g(%x : float32[2]) { %y : float32[2] = Relu(%x) return %y }");
  Value* y = graph.find_value("y");
  Value* z = graph.add_value("z", DataType::kFloat32, {Dim(2)});
  graph.insert(graph.main, graph.main.nodes.begin(),
               {"Neg", "z", {graph.find_value("x")}, {z}, {}, {}, {}});
  EXPECT_EQ(z->producer, &graph.main.nodes.front());
  graph.replace_uses(y, z);
  graph.erase(graph.main, std::next(graph.main.nodes.begin()));
  EXPECT_EQ(y->producer, nullptr);
  EXPECT_TRUE(verify(graph).is_ok());
}

TEST(Graph, UsesCountNodesRegionsAndOutputs) {
  Graph graph = parsed(R"(graph g(%c : bool[], %x : float32[2], %z : float32[2]) {
    %y : float32[2] = If(%c) region() { %t : float32[2] = Neg(%x) return %t } region() { return %z }
    return %y
  })");
  Uses uses(graph);
  EXPECT_TRUE(uses.has_single_use(graph.find_value("x")));
  EXPECT_TRUE(uses.is_output(graph.find_value("z")));
  EXPECT_FALSE(uses.has_single_use(graph.find_value("z")));
  EXPECT_FALSE(uses.has_single_use(graph.find_value("y")));
  EXPECT_EQ(uses.of(graph.find_value("c")).size(), 1u);
}

TEST(Graph, FreshSymbolsAreDataDependent) {
  Graph graph;
  const Dim symbol = graph.fresh_symbol();
  EXPECT_TRUE(is_data_dependent(symbol * 2 + 1));
  EXPECT_FALSE(symbol == graph.fresh_symbol());
  EXPECT_FALSE(is_data_dependent(Dim::symbol("batch")));
  EXPECT_FALSE(is_data_dependent(Dim::symbol("u")));
  EXPECT_FALSE(is_data_dependent(SymbolicShape{1, 2}));
}

TEST(Verify, NamesTheFirstOffender) {
  Graph graph = parsed(R"(graph g(%x : float32[2]) {
    %a : float32[2] = Relu(%x) %b : float32[2] = Neg(%a) return %b })");
  ASSERT_TRUE(verify(graph).is_ok());
  graph.main.nodes.splice(graph.main.nodes.begin(), graph.main.nodes,
                          std::next(graph.main.nodes.begin()));
  EXPECT_EQ(verify(graph).message(),
            "graph verifier: node 'b' (Neg) uses 'a' before its definition");
}

TEST(Verify, RefusesBrokenLinks) {
  Graph graph = parsed("graph g(%x : float32[2]) { %a : float32[2] = Relu(%x) return %a }");
  Value* a = graph.find_value("a");
  a->producer = nullptr;
  EXPECT_NE(verify(graph).message().find("does not know its producer"), std::string::npos);
  a->producer = &graph.main.nodes.front();
  a->dtype = DataType::kUndefined;
  EXPECT_NE(verify(graph).message().find("has no type"), std::string::npos);
  a->dtype = DataType::kFloat32;
  graph.main.outputs.push_back(nullptr);
  EXPECT_NE(verify(graph).message().find("no definition"), std::string::npos);
}

}  // namespace
}  // namespace penstock::ir
