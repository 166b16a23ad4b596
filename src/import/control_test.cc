// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

onnx::GraphProto make_graph(const Names& inputs, const std::vector<onnx::NodeProto>& nodes,
                            const Names& outputs) {
  onnx::GraphProto graph;
  graph.set_name("body");
  for (const std::string& input : inputs) graph.add_input()->set_name(input);
  for (const onnx::NodeProto& node : nodes) *graph.add_node() = node;
  for (const std::string& output : outputs) graph.add_output()->set_name(output);
  return graph;
}

TEST(Control, BranchesSeeTheValuesAroundThem) {
  const onnx::GraphProto then_graph = make_graph({}, {make_node("Relu", {"x"}, {"a"})}, {"a"});
  const onnx::GraphProto else_graph = make_graph({}, {make_node("Abs", {"t"}, {"b"})}, {"b"});
  // In the file, the value that only a branch uses comes last.
  Result<ir::Graph> graph =
      ModelBuilder()
          .input("c", {}, kBool)
          .input("x", {2})
          .node("If", {"c"}, {"y"}, {{"then_branch", then_graph}, {"else_branch", else_graph}})
          .node("Neg", {"x"}, {"t"})
          .output("y")
          .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Neg If");
  const ir::Node& node = graph->main.nodes.back();
  EXPECT_EQ(ops_of(*node.regions[0]), "Relu");
  EXPECT_EQ(ops_of(*node.regions[1]), "Abs");
  EXPECT_EQ(node.regions[1]->nodes.front().inputs[0], graph->main.nodes.front().outputs[0]);
  EXPECT_EQ(graph->onnx_node_count, 4);
}

TEST(Control, AConditionThatShapesDecideLeavesOneBranch) {
  const onnx::GraphProto then_graph =
      make_graph({}, {make_node("Flatten", {"x"}, {"a"}, {{"axis", int64_t{0}}})}, {"a"});
  const onnx::GraphProto else_graph = make_graph({}, {make_node("Relu", {"x"}, {"b"})}, {"b"});
  const auto model = [&](int64_t size) {
    return ModelBuilder()
        .input("x", {size, 3, 4})
        .initializer(int64_tensor("one", {1}))
        .initializer(int64_tensor("zero", {0}))
        .node("Shape", {"x"}, {"shape"})
        .node("Gather", {"shape", "zero"}, {"size"})
        .node("Equal", {"size", "one"}, {"c"})
        .node("If", {"c"}, {"y"}, {{"then_branch", then_graph}, {"else_branch", else_graph}})
        .output("y")
        .import();
  };
  Result<ir::Graph> taken = model(1);
  ASSERT_TRUE(taken.is_ok()) << taken.status().message();
  EXPECT_EQ(ir::to_string(taken->main.outputs[0]->shape), "[1, 12]");
  Result<ir::Graph> other = model(2);
  ASSERT_TRUE(other.is_ok()) << other.status().message();
  EXPECT_EQ(ir::to_string(other->main.outputs[0]->shape), "[2, 3, 4]");
}

TEST(Control, WhatALoopGrowsHasAnExtentThatTheRunTells) {
  const onnx::GraphProto body =
      make_graph({"i", "go", "sum"},
                 {make_node("Identity", {"go"}, {"go_on"}),
                  make_node("Concat", {"sum", "x"}, {"more"}, {{"axis", int64_t{0}}}),
                  make_node("Relu", {"x"}, {"scan"})},
                 {"go_on", "more", "scan"});
  Result<ir::Graph> graph = ModelBuilder()
                                .input("trips", {}, kInt64)
                                .input("x", {"n", 3})
                                .node("Loop", {"trips", "", "x"}, {"y", "z"}, {{"body", body}})
                                .output("y")
                                .output("z")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  const ir::Node& loop = graph->main.nodes.back();
  ASSERT_EQ(loop.regions.size(), 1u);
  const ir::Region& region = *loop.regions[0];
  EXPECT_EQ(region.inputs[0]->dtype, DataType::kInt64);
  EXPECT_EQ(region.inputs[1]->dtype, DataType::kBool);
  EXPECT_TRUE(ir::is_data_dependent(region.inputs[2]->shape[0]));
  EXPECT_TRUE(region.inputs[2]->shape[1].is_constant(3));
  EXPECT_EQ(graph->main.outputs[1]->shape.size(), 3u);
  EXPECT_EQ(graph->onnx_node_count, 4);
}

TEST(Control, ScanSlicesItsInputs) {
  const onnx::GraphProto body =
      make_graph({"s", "e"}, {make_node("Add", {"s", "e"}, {"t"})}, {"t", "t"});
  Result<ir::Graph> graph =
      ModelBuilder()
          .input("s", {2})
          .input("x", {"n", 2})
          .node("Scan", {"s", "x"}, {"y", "z"}, {{"body", body}, {"num_scan_inputs", int64_t{1}}})
          .output("y")
          .output("z")
          .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ir::to_string(graph->main.outputs[0]->shape), "[2]");
  EXPECT_EQ(ir::to_string(graph->main.outputs[1]->shape), "[n, 2]");
}

TEST(Control, BodiesThatDoNotFitAreErrors) {
  const onnx::GraphProto body = make_graph({"i"}, {make_node("Relu", {"x"}, {"a"})}, {"a"});
  const auto error = [&](const std::string& op, const AttributeValues& attributes) {
    return ModelBuilder()
        .input("c", {}, kBool)
        .input("x", {2})
        .node(op, {"c"}, {"y"}, attributes, "n")
        .output("y")
        .error()
        .message();
  };
  EXPECT_THAT(error("If", {}), HasSubstr("node 'n' (If): subgraph 'then_branch' is missing"));
  EXPECT_THAT(error("If", {{"then_branch", body}, {"else_branch", body}}),
              HasSubstr("its subgraph 'body' has 1 inputs, but the node gives it 0"));
  EXPECT_THAT(error("Loop", {{"body", body}}), HasSubstr("has 1 outputs, not 2"));
  EXPECT_THAT(error("Scan", {{"body", body}}), HasSubstr("num_scan_inputs 0 does not fit"));
}

}  // namespace
}  // namespace penstock::importer
