// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

onnx::FunctionProto make_function(const std::string& name, const Names& inputs,
                                  const Names& outputs) {
  onnx::FunctionProto function;
  function.set_domain("local");
  function.set_name(name);
  for (const std::string& input : inputs) function.add_input(input);
  for (const std::string& output : outputs) function.add_output(output);
  return function;
}

onnx::NodeProto local_node(const std::string& op, const Names& inputs, const Names& outputs,
                           const AttributeValues& attributes = {}, const std::string& name = "") {
  onnx::NodeProto node = make_node(op, inputs, outputs, attributes, name);
  node.set_domain("local");
  return node;
}

void add_reference(onnx::NodeProto& node, const std::string& name, const std::string& to,
                   onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_ref_attr_name(to);
  attribute.set_type(type);
}

TEST(Functions, AreInlinedWithTheirAttributes) {
  ModelBuilder model = ModelBuilder().input("x", {2}).output("y");
  onnx::FunctionProto inner = make_function("Inner", {"a"}, {"b"});
  inner.add_attribute("slope");
  *inner.add_node() = make_node("LeakyRelu", {"a"}, {"b"});
  add_reference(*inner.mutable_node(0), "alpha", "slope", onnx::AttributeProto::FLOAT);
  onnx::FunctionProto outer = make_function("Outer", {"x", "unused"}, {"y"});
  *outer.add_node() = local_node("Inner", {"x"}, {"t"}, {}, "in");
  add_reference(*outer.mutable_node(0), "slope", "s", onnx::AttributeProto::FLOAT);
  *outer.add_node() = make_node("Abs", {"t"}, {"y"});
  *model.proto.add_functions() = inner;
  *model.proto.add_functions() = outer;
  *model.proto.mutable_graph()->add_node() =
      local_node("Outer", {"x"}, {"y"}, {{"s", 0.25f}}, "call");

  Result<ir::Graph> graph = model.import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "LeakyRelu Abs");
  EXPECT_EQ(graph->main.nodes.front().attributes.get_float("alpha"), 0.25f);
  EXPECT_EQ(graph->main.nodes.front().name, "call/in/LeakyRelu_0");
  EXPECT_EQ(graph->main.outputs[0]->name, "y");
  EXPECT_EQ(graph->onnx_node_count, 2);
}

TEST(Functions, HaveDefaultsAndAnOpsetOfTheirOwn) {
  ModelBuilder model = ModelBuilder(17).input("x", {2, 3}).output("y");
  onnx::FunctionProto function = make_function("Old", {"x"}, {"y"});
  function.add_opset_import()->set_version(11);
  onnx::AttributeProto& preset = *function.add_attribute_proto();
  preset.set_name("places");
  preset.set_type(onnx::AttributeProto::INTS);
  preset.add_ints(0);
  *function.add_node() = make_node("Unsqueeze", {"x"}, {"y"});
  add_reference(*function.mutable_node(0), "axes", "places", onnx::AttributeProto::INTS);
  *model.proto.add_functions() = function;
  *model.proto.mutable_graph()->add_node() = local_node("Old", {"x"}, {"y"});
  Result<ir::Graph> graph = model.import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ir::to_string(graph->main.outputs[0]->shape), "[1, 2, 3]");
}

TEST(Functions, OmittedInputsStayOmitted) {
  ModelBuilder model = ModelBuilder().input("x", {2}).input("high", {}).output("y");
  onnx::FunctionProto function = make_function("Limit", {"x", "low", "high"}, {"y"});
  *function.add_node() = make_node("Clip", {"x", "low", "high"}, {"y"});
  *model.proto.add_functions() = function;
  *model.proto.mutable_graph()->add_node() = local_node("Limit", {"x", "", "high"}, {"y"});
  Result<ir::Graph> graph = model.import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(graph->main.nodes.front().input(1), nullptr);
  EXPECT_EQ(graph->main.nodes.front().input(2), graph->main.inputs[1]);
}

TEST(Functions, ThatCallThemselvesAreErrors) {
  ModelBuilder model = ModelBuilder().input("x", {2}).output("y");
  onnx::FunctionProto function = make_function("Self", {"x"}, {"y"});
  *function.add_node() = local_node("Self", {"x"}, {"y"});
  *model.proto.add_functions() = function;
  *model.proto.mutable_graph()->add_node() = local_node("Self", {"x"}, {"y"});
  EXPECT_THAT(model.error().message(), HasSubstr("function 'Self' of the model calls itself"));
}

TEST(Functions, ChainsOfCallsAreBounded) {
  ModelBuilder model = ModelBuilder().input("x", {2}).output("y");
  for (int i = 0; i < 200; ++i) {
    onnx::FunctionProto function = make_function("F" + std::to_string(i), {"x"}, {"y"});
    *function.add_node() = local_node("F" + std::to_string(i + 1), {"x"}, {"y"});
    *model.proto.add_functions() = function;
  }
  *model.proto.mutable_graph()->add_node() = local_node("F0", {"x"}, {"y"});
  EXPECT_THAT(model.error().message(), HasSubstr("nested in more than 64 calls"));
}

TEST(Functions, ErrorsNameTheCall) {
  ModelBuilder model = ModelBuilder().input("x", {2}).output("y");
  onnx::FunctionProto function = make_function("F", {"x"}, {"y"});
  *function.add_node() = make_node("Relu", {"missing"}, {"y"});
  *model.proto.add_functions() = function;
  *model.proto.mutable_graph()->add_node() = local_node("F", {"x"}, {"y"}, {}, "call");
  EXPECT_THAT(model.error().message(), HasSubstr("node 'call' (F): node 'Relu_0' (Relu) uses "
                                                 "'missing'"));
}

}  // namespace
}  // namespace penstock::importer
