// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Import, ChainKeepsNamesShapesAndOrigins) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {"batch", 3})
                                .node("Relu", {"x"}, {"y"}, {}, "first")
                                .node("Sigmoid", {"y"}, {"z"})
                                .output("z", {"batch", 3})
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Relu Sigmoid");
  EXPECT_EQ(graph->main.nodes.front().name, "first");
  EXPECT_THAT(graph->main.nodes.front().origins, ElementsAre("first"));
  EXPECT_EQ(graph->main.nodes.back().name, "Sigmoid_1");
  EXPECT_EQ(graph->main.inputs[0]->name, "x");
  EXPECT_EQ(graph->main.outputs[0]->name, "z");
  EXPECT_EQ(ir::to_string(graph->main.outputs[0]->shape), "[batch, 3]");
  EXPECT_EQ(graph->onnx_node_count, 2);
}

TEST(Import, EqualNamesOfDimensionsAreOneSymbol) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("a", {"batch size", "", "u3", "2*n"})
                                .input("b", {"batch size", -1, 0, "2_n"})
                                .node("Relu", {"a"}, {"c"})
                                .output("c")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ir::to_string(graph->main.inputs[0]->shape), "[batch_size, a_dim_1, u3_, _2_n]");
  EXPECT_EQ(ir::to_string(graph->main.inputs[1]->shape), "[batch_size, b_dim_1, 0, _2_n_]");
}

TEST(Import, NodesInAnyOrderAreSorted) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {2})
                                .node("Sigmoid", {"y"}, {"z"})
                                .node("Relu", {"x"}, {"y"})
                                .output("z")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Relu Sigmoid");
}

TEST(Import, InitializersThatAreInputsTooAreConstants) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {2})
                                .input("w", {2})
                                .initializer(float_tensor("w", {2}, {1, 2}))
                                .node("Add", {"x", "w"}, {"y"})
                                .output("y")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  ASSERT_EQ(graph->main.inputs.size(), 1u);
  EXPECT_THAT(graph->main.nodes.front().inputs[1]->constant->as<float>(), ElementsAre(1, 2));
}

TEST(Import, IdentityIsAnotherNameForItsInput) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {2})
                                .node("Relu", {"x"}, {"a"})
                                .node("Identity", {"a"}, {"b"})
                                .output("b")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Relu");
  EXPECT_EQ(graph->main.outputs[0]->name, "b");
  EXPECT_EQ(graph->find_value("b"), graph->main.outputs[0]);
}

TEST(Import, OutputsThatAreInputsConstantsOrOtherOutputsAreCopied) {
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {2})
                                .initializer(float_tensor("w", {1}, {1}))
                                .node("Relu", {"x"}, {"a"})
                                .node("Identity", {"a"}, {"b"})
                                .node("Identity", {"x"}, {"c"})
                                .output("a")
                                .output("b")
                                .output("c")
                                .output("w")
                                .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Relu Copy Copy Copy");
  Names names;
  for (const ir::Value* output : graph->main.outputs) names.push_back(output->name);
  EXPECT_THAT(names, ElementsAre("a", "b", "c", "w"));
}

TEST(Import, DeclaredOutputsMustAgreeWithInference) {
  const auto model = [](const Extents& shape, int type) {
    return ModelBuilder().input("x", {"n", 3}).node("Relu", {"x"}, {"y"}).output("y", shape, type);
  };
  EXPECT_TRUE(model({"other", 3}, kFloat).import().is_ok());
  EXPECT_TRUE(model({7, 0}, kFloat).import().is_ok());
  EXPECT_THAT(model({"n", 4}, kFloat).error().message(),
              HasSubstr("output 'y' of the model: the model declares size 4 for dimension 1, but "
                        "its nodes compute a shape of [n, 3]"));
  EXPECT_THAT(model({"n"}, kFloat).error().message(), HasSubstr("declares 1 dimensions"));
  EXPECT_THAT(model({"n", 3}, kInt64).error().message(), HasSubstr("declares type int64"));
}

TEST(Import, WrongFilesAreNamed) {
  const std::string folder = testing::TempDir();
  const auto error = [&](const std::string& text) {
    const std::string path = folder + "import_test.onnx";
    std::ofstream(path, std::ios::binary) << text;
    const Status status = import_onnx(path).status();
    EXPECT_THAT(status.message(), HasSubstr("import_test.onnx'"));
    return status.message();
  };
  EXPECT_THAT(import_onnx(folder + "missing.onnx").status().message(), HasSubstr("No such file"));
  EXPECT_THAT(import_onnx(folder).status().message(), HasSubstr("directory"));
  EXPECT_THAT(error(""), HasSubstr("not an ONNX model: the file is empty"));
  EXPECT_THAT(error("a text file\n"), HasSubstr("not an ONNX model"));
  EXPECT_THAT(error("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS"));
  const std::string model =
      ModelBuilder().input("x", {2}).node("Relu", {"x"}, {"y"}).output("y").bytes();
  EXPECT_THAT(error(model.substr(0, model.size() / 2)), HasSubstr("truncated or damaged"));
  EXPECT_THAT(error(model + "garbage"), HasSubstr("damaged"));
}

TEST(Import, VersionsOutOfRangeTellWhatIsSupported) {
  const auto model = [](int64_t opset) {
    return ModelBuilder(opset).input("x", {2}).node("Relu", {"x"}, {"y"}).output("y");
  };
  EXPECT_TRUE(model(7).import().is_ok());
  EXPECT_TRUE(model(28).import().is_ok());
  EXPECT_THAT(model(-1).error().message(), HasSubstr("opset -1; opsets 1 to 28 are supported"));
  EXPECT_THAT(model(29).error().message(), HasSubstr("opset 29; opsets 1 to 28 are supported"));
  ModelBuilder newer = model(17);
  newer.proto.set_ir_version(99);
  EXPECT_THAT(newer.error().message(), HasSubstr("IR version 99; versions up to"));
  ModelBuilder empty = model(17);
  empty.proto.clear_graph();
  EXPECT_THAT(empty.error().message(), HasSubstr("has no graph"));
  ModelBuilder no_opset = model(17);
  no_opset.proto.clear_opset_import();
  EXPECT_THAT(no_opset.error().message(), HasSubstr("imports no ONNX operator set"));
  ModelBuilder other_domain = model(1);
  other_domain.proto.mutable_opset_import(0)->set_domain("ai.onnx.ml");
  EXPECT_THAT(other_domain.error().message(), HasSubstr("Relu in opset 0"));
}

TEST(Import, InputsNeedATypeAndARank) {
  ModelBuilder model = ModelBuilder().input("x", {2}).node("Relu", {"x"}, {"y"}).output("y");
  onnx::TypeProto& type = *model.proto.mutable_graph()->mutable_input(0)->mutable_type();
  type.mutable_tensor_type()->clear_shape();
  EXPECT_THAT(model.error().message(), HasSubstr("input 'x' of the model has no shape"));
  type.mutable_tensor_type()->mutable_shape();
  type.mutable_tensor_type()->clear_elem_type();
  EXPECT_THAT(model.error().message(), HasSubstr("input 'x' of the model has no element type"));
  type.mutable_sequence_type();
  EXPECT_THAT(model.error().message(), HasSubstr("sequence of nothing (input 'x')"));
}

TEST(Import, AllThatIsNotSupportedIsListedAtOnce) {
  ModelBuilder model = ModelBuilder()
                           .input("x", {2})
                           .input("s", {2}, onnx::TensorProto::COMPLEX64)
                           .node("Foo", {"x"}, {"a"}, {}, "n1")
                           .node("Foo", {"x"}, {"b"})
                           .node("Relu", {"x"}, {"c"})
                           .node("Mish", {"x"}, {"d"})
                           .node("Cast", {"x"}, {"e"}, {{"to", int64_t{99}}})
                           .output("c");
  onnx::NodeProto custom = make_node("Bar", {"x"}, {"f"}, {}, "n5");
  custom.set_domain("com.acme");
  *model.proto.mutable_graph()->add_node() = custom;
  const Status status = model.error();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(),
              HasSubstr("3 operators are not supported: Foo (node 'n1', node 'Foo_1'), Mish in "
                        "opset 17 (node 'Mish_3'), com.acme::Bar (node 'n5')"));
  EXPECT_THAT(status.message(), HasSubstr("2 types are not supported: complex64 (input 's'), "
                                          "number 99 (node 'Cast_4')"));
}

TEST(Import, BrokenGraphsNameNodeAndValue) {
  const auto base = [] { return ModelBuilder().input("x", {2}).output("y"); };
  EXPECT_THAT(base().node("Add", {"x", "q"}, {"y"}, {}, "sum").error().message(),
              HasSubstr("node 'sum' (Add) uses 'q', which no node, input or initializer defines"));
  EXPECT_THAT(base().node("Relu", {"x"}, {"z"}).error().message(),
              HasSubstr("no node, input or initializer defines output 'y' of the model"));
  EXPECT_THAT(base()
                  .node("Add", {"x", "b"}, {"a"}, {}, "n1")
                  .node("Relu", {"a"}, {"b"}, {}, "n2")
                  .node("Relu", {"b"}, {"y"}, {}, "n3")
                  .error()
                  .message(),
              HasSubstr("the graph has a cycle: node 'n1' (Add) uses 'b' of node 'n2' (Relu), "
                        "which uses 'a' of node 'n1' (Add)"));
  EXPECT_THAT(
      base().node("Relu", {"x"}, {"y"}).node("Abs", {"x"}, {"y"}).error().message(),
      HasSubstr("value 'y' is defined twice: by node 'Relu_0' (Relu) and by node 'Abs_1' (Abs)"));
  EXPECT_THAT(base().node("Relu", {"x"}, {"x"}).error().message(),
              HasSubstr("value 'x' is defined twice"));
  EXPECT_THAT(base().node("Relu", {"x"}, {"y"}).output("y").error().message(),
              HasSubstr("output 'y' of the model is listed twice"));
}

TEST(Import, NodesAreCheckedAgainstTheirOperator) {
  const auto error = [](const std::string& op, const Names& inputs,
                        const AttributeValues& attributes) {
    return ModelBuilder()
        .input("x", {2})
        .node(op, inputs, {"y"}, attributes, "n")
        .output("y")
        .error()
        .message();
  };
  EXPECT_THAT(error("Relu", {"x", "x"}, {}), HasSubstr("node 'n' (Relu): takes 1 to 1 inputs"));
  EXPECT_THAT(error("Add", {"", "x"}, {}), HasSubstr("node 'n' (Add): input 0 is missing"));
  EXPECT_THAT(error("Relu", {"x"}, {{"alpha", 1.0f}}), HasSubstr("no attribute 'alpha'"));
  EXPECT_THAT(error("Elu", {"x"}, {{"alpha", int64_t{1}}}),
              HasSubstr("node 'n' (Elu): attribute 'alpha' must be a float"));
}

TEST(Import, NamesMustBeUtf8) {
  EXPECT_THAT(
      ModelBuilder().input("x", {2}).node("Relu", {"x"}, {"\xff"}).output("\xff").error().message(),
      HasSubstr("is not UTF-8"));
  EXPECT_TRUE(
      ModelBuilder().input("x", {2}).node("Relu", {"x"}, {"größe"}).output("größe").import());
}

}  // namespace
}  // namespace penstock::importer
