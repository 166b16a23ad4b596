// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Attention and the operators around it become core operators.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

// Queries [batch, 4, 3, 8], keys and values [batch, heads, 5, 8].
ModelBuilder heads_apart(int64_t heads, const AttributeValues& attributes, const Names& more = {}) {
  Names inputs = {"q", "k", "v"};
  inputs.insert(inputs.end(), more.begin(), more.end());
  return ModelBuilder(25)
      .input("q", {"batch", 4, 3, 8})
      .input("k", {"batch", heads, 5, 8})
      .input("v", {"batch", heads, 5, 8})
      .input("mask", {3, 5}, kBool)
      .input("past", {"batch", heads, "past", 8})
      .input("counts", {"batch"}, kInt64)
      .node("Attention", inputs, {"y"}, attributes, "n")
      .output("y");
}

ir::Graph import_ok(const ModelBuilder& builder) {
  Result<ir::Graph> graph = builder.import();
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  return graph.is_ok() ? std::move(graph).value() : ir::Graph();
}

const ir::Node* find(const ir::Graph& graph, const std::string& op) {
  for (const ir::Node& node : graph.main.nodes) {
    if (node.op == op) return &node;
  }
  return nullptr;
}

TEST(ImportAttention, IsOneCoreOperator) {
  const ir::Graph plain = import_ok(heads_apart(4, {}));
  EXPECT_EQ(ops_of(plain.main), "Attention");
  EXPECT_EQ(ir::to_string(plain.main.outputs[0]->shape), "[batch, 4, 3, 8]");
  const ir::Graph masked = import_ok(heads_apart(4, {{"scale", 0.5f}}, {"mask"}));
  ASSERT_EQ(ops_of(masked.main), "Attention");
  const ir::Node& node = masked.main.nodes.front();
  EXPECT_EQ(node.inputs.at(3)->name, "mask");
  EXPECT_EQ(node.attributes.get_float("scale"), 0.5f);
  EXPECT_EQ(node.attributes.get_int("nan_to_zero"), 1);
}

TEST(ImportAttention, GroupsOfQueriesShareHeads) {
  const ir::Graph graph = import_ok(heads_apart(2, {}));
  EXPECT_EQ(ops_of(graph.main), "Reshape Attention Reshape");
  EXPECT_EQ(ir::to_string(find(graph, "Attention")->inputs[0]->shape), "[batch, 2, 6, 8]");
  EXPECT_THAT(heads_apart(3, {}).error().message(), HasSubstr("4 heads of queries"));
}

TEST(ImportAttention, CausalEndsAtTheLastKeyOrIsAMask) {
  const AttributeValues causal = {{"is_causal", int64_t{1}}};
  const ir::Graph top_left = import_ok(heads_apart(4, causal));
  EXPECT_EQ(find(top_left, "Attention")->attributes.get_int("causal"), 0);
  EXPECT_EQ(find(top_left, "Attention")->inputs.size(), 4u);
  const ir::Graph square = import_ok(ModelBuilder(23)
                                         .input("x", {1, 2, "n", 8})
                                         .node("Attention", {"x", "x", "x"}, {"y"}, causal)
                                         .output("y"));
  EXPECT_EQ(ops_of(square.main), "Attention");
  EXPECT_EQ(square.main.nodes.front().attributes.get_int("causal"), 1);
}

TEST(ImportAttention, OneQueryAfterThePastSeesAllKeys) {
  const ir::Graph graph = import_ok(ModelBuilder(23)
                                        .input("q", {1, 4, 1, 8})
                                        .input("k", {1, 2, 1, 8})
                                        .input("past", {1, 2, "past", 8})
                                        .node("Attention", {"q", "k", "k", "", "past", "past"},
                                              {"y", "pk", "pv"}, {{"is_causal", int64_t{1}}})
                                        .output("y")
                                        .output("pk"));
  EXPECT_EQ(ops_of(graph.main), "Concat Concat Reshape Attention Reshape");
  EXPECT_EQ(find(graph, "Attention")->inputs.size(), 3u);
  EXPECT_EQ(ir::to_string(graph.main.outputs[1]->shape), "[1, 2, past + 1, 8]");
}

TEST(ImportAttention, StepsWhereTheScoresAreWanted) {
  const ir::Graph capped = import_ok(heads_apart(4, {{"softcap", 2.0f}}));
  EXPECT_EQ(ops_of(capped.main), "MatMul Div Tanh Mul Softmax MatMul");
  EXPECT_EQ(find(import_ok(heads_apart(4, {}, {"", "", "", "counts"})), "Less")->op, "Less");
}

TEST(ImportAttention, ContradictionsAreErrors) {
  EXPECT_THAT(heads_apart(4, {}, {"", "past"}).error().message(), HasSubstr("go together"));
  EXPECT_THAT(heads_apart(4, {}, {"", "past", "past", "counts"}).error().message(),
              HasSubstr("exclude"));
  EXPECT_THAT(heads_apart(4, {{"left_window_size", int64_t{-2}}}).error().message(),
              HasSubstr("window"));
  EXPECT_THAT(heads_apart(4, {{"softmax_precision", int64_t{6}}}).error().message(),
              HasSubstr("no floating type"));
  const auto packed = [](int64_t heads) {
    return ModelBuilder(23)
        .input("x", {1, 2, 12})
        .node("Attention", {"x", "x", "x"}, {"y"},
              {{"q_num_heads", heads}, {"kv_num_heads", heads}})
        .output("y");
  };
  EXPECT_EQ(ops_of(import_ok(packed(3)).main),
            "Reshape Transpose Reshape Transpose Reshape Transpose Attention Transpose Reshape");
  EXPECT_THAT(packed(5).error().message(), HasSubstr("does not divide"));
  EXPECT_THAT(packed(0).error().message(), HasSubstr("does not divide"));
}

TEST(ImportFlexAttention, InlinesItsSubgraphs) {
  ModelBuilder scale;
  scale.input("s", {1, 2, 3, 3}).node("Abs", {"s"}, {"t"}).output("t");
  ModelBuilder model(24);
  model.input("x", {1, 2, 3, 8})
      .node("FlexAttention", {"x", "x", "x"}, {"y"}, {{"score_mod", scale.proto.graph()}})
      .output("y");
  model.proto.mutable_graph()->mutable_node(0)->set_domain("ai.onnx.preview");
  EXPECT_EQ(ops_of(import_ok(model).main), "MatMul Abs Softmax MatMul");
}

TEST(ImportRotaryEmbedding, RotatesHalvesOfEachHead) {
  const auto rotary = [](const AttributeValues& attributes) {
    return ModelBuilder(23)
        .input("x", {"batch", 2, "n", 8})
        .input("cos", {16, 4})
        .input("at", {"batch", "n"}, kInt64)
        .node("RotaryEmbedding", {"x", "cos", "cos", "at"}, {"y"}, attributes)
        .output("y");
  };
  const ir::Graph graph = import_ok(rotary({}));
  EXPECT_EQ(ir::to_string(graph.main.outputs[0]->shape), "[batch, 2, n, 8]");
  EXPECT_THAT(rotary({{"rotary_embedding_dim", int64_t{5}}}).error().message(),
              HasSubstr("pairs of 5"));
  EXPECT_THAT(rotary({{"rotary_embedding_dim", int64_t{4}}}).error().message(),
              HasSubstr("2 pairs"));
}

TEST(ImportCausalConv, IsAPaddedConvolution) {
  const ir::Graph graph = import_ok(
      ModelBuilder(27)
          .input("x", {"batch", 6, "n"})
          .input("w", {6, 1, 4})
          .node("CausalConvWithState", {"x", "w"}, {"y", "state"}, {{"activation", "silu"}})
          .output("y")
          .output("state"));
  EXPECT_EQ(ops_of(graph.main), "Pad Conv Swish Slice");
  EXPECT_EQ(ir::to_string(graph.main.outputs[0]->shape), "[batch, 6, n]");
  EXPECT_EQ(ir::to_string(graph.main.outputs[1]->shape), "[batch, 6, 3]");
}

}  // namespace
}  // namespace penstock::importer
