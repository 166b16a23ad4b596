// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// How ONNX operators become core operators: lowerings, and forms of older opsets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ir::Graph import_ok(const ModelBuilder& model) {
  Result<ir::Graph> graph = model.import();
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  return graph.is_ok() ? std::move(graph).value() : ir::Graph();
}

// The graph of one node that reads x, of shape [2, 3, 4].
ir::Graph import_node(int64_t opset, const std::string& op, const AttributeValues& attributes,
                      const Names& inputs = {"x"}) {
  return import_ok(ModelBuilder(opset)
                       .input("x", {2, 3, 4})
                       .node(op, inputs, {"y"}, attributes, "n")
                       .output("y"));
}

std::string shape_of(const ir::Graph& graph) {
  return graph.main.outputs.empty() ? "none" : ir::to_string(graph.main.outputs[0]->shape);
}

TEST(Lowering, GemmIsMatMul) {
  const auto gemm = [](const AttributeValues& attributes) {
    return import_ok(ModelBuilder()
                         .input("a", {4, "n"})
                         .input("b", {5, 4})
                         .initializer(float_tensor("c", {5}, {1, 2, 3, 4, 5}))
                         .node("Gemm", {"a", "b", "c"}, {"y"}, attributes)
                         .output("y", {"n", 5}));
  };
  const ir::Graph plain = gemm({{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 0.5f}});
  EXPECT_EQ(ops_of(plain.main), "MatMul");
  const ir::Attributes& attributes = plain.main.nodes.front().attributes;
  EXPECT_EQ(ir::to_string(attributes), "{alpha = 0.5f, trans_a = 1, trans_b = 1}");
  const ir::Graph scaled = gemm({{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"beta", 2.0f}});
  EXPECT_EQ(ops_of(scaled.main), "Mul MatMul");
  const ir::Graph without = gemm({{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"beta", 0.0f}});
  EXPECT_EQ(without.main.nodes.back().inputs.size(), 2u);
}

TEST(Lowering, GemmOfIntegersHasAWholeBeta) {
  const auto gemm = [](float beta) {
    return ModelBuilder()
        .input("a", {2, 3}, kInt64)
        .input("b", {3, 4}, kInt64)
        .input("c", {4}, kInt64)
        .node("Gemm", {"a", "b", "c"}, {"y"}, {{"beta", beta}})
        .output("y");
  };
  EXPECT_EQ(ops_of(import_ok(gemm(3.0f)).main), "Cast Mul MatMul");
  EXPECT_THAT(gemm(0.5f).error().message(), HasSubstr("beta = 0.5"));
}

TEST(Lowering, SumsOfManyAreChains) {
  EXPECT_EQ(ops_of(import_node(13, "Sum", {}, {"x", "x", "x"}).main), "Add Add");
  EXPECT_EQ(ops_of(import_node(13, "Max", {}, {"x", "x", "x", "x"}).main), "Max Max Max");
  EXPECT_EQ(ops_of(import_node(13, "Min", {}, {"x", "x"}).main), "Min");
  EXPECT_EQ(ops_of(import_node(13, "Min", {}, {"x"}).main), "Copy");
  EXPECT_EQ(ops_of(import_node(13, "Mean", {}, {"x", "x", "x"}).main), "Add Add Mul");
}

TEST(Lowering, ClipTakesItsBoundsAsInputs) {
  const ir::Graph graph = import_node(6 + 1, "Clip", {{"max", 6.0f}});
  const ir::Node& node = graph.main.nodes.front();
  ASSERT_EQ(node.inputs.size(), 3u);
  EXPECT_EQ(node.inputs[1], nullptr);
  EXPECT_THAT(node.inputs[2]->constant->as<float>(), ElementsAre(6.0f));
}

TEST(Lowering, OldAttributesStandForInputs) {
  EXPECT_EQ(shape_of(import_node(9, "Slice",
                                 {{"axes", std::vector<int64_t>{2}},
                                  {"starts", std::vector<int64_t>{1}},
                                  {"ends", std::vector<int64_t>{3}}})),
            "[2, 3, 2]");
  EXPECT_EQ(shape_of(import_node(11, "Unsqueeze", {{"axes", std::vector<int64_t>{0}}})),
            "[1, 2, 3, 4]");
  EXPECT_EQ(shape_of(import_node(11, "ReduceSum",
                                 {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}})),
            "[2, 4]");
  EXPECT_EQ(shape_of(import_node(17, "ReduceMax", {{"axes", std::vector<int64_t>{-1}}})),
            "[2, 3, 1]");
  EXPECT_EQ(shape_of(import_node(
                10, "Pad", {{"pads", std::vector<int64_t>{0, 1, 0, 0, 1, 2}}, {"value", 1.5f}})),
            "[2, 5, 6]");
  EXPECT_EQ(shape_of(import_node(9, "TopK", {{"k", int64_t{2}}})), "[2, 3, 2]");
}

TEST(Lowering, SplitDividesEvenlyOrAsTold) {
  const auto split = [](int64_t opset, const AttributeValues& attributes) {
    return import_ok(ModelBuilder(opset)
                         .input("x", {2, 6})
                         .node("Split", {"x"}, {"a", "b"}, attributes)
                         .output("a")
                         .output("b"));
  };
  const int64_t axis = 1;
  EXPECT_EQ(shape_of(split(11, {{"axis", axis}})), "[2, 3]");
  EXPECT_EQ(shape_of(split(11, {{"axis", axis}, {"split", std::vector<int64_t>{2, 4}}})), "[2, 2]");
  EXPECT_EQ(shape_of(split(18, {{"axis", axis}, {"num_outputs", int64_t{2}}})), "[2, 3]");
}

TEST(Lowering, SoftmaxOfOldTakesTheLastAxesAsOne) {
  EXPECT_EQ(ops_of(import_node(12, "Softmax", {{"axis", int64_t{1}}}).main),
            "Shape Flatten Softmax Reshape");
  EXPECT_EQ(ops_of(import_node(12, "LogSoftmax", {{"axis", int64_t{2}}}).main), "LogSoftmax");
  EXPECT_EQ(ops_of(import_node(13, "Hardmax", {{"axis", int64_t{1}}}).main), "Hardmax");
  const ir::Graph graph = import_node(12, "Softmax", {});
  EXPECT_EQ(shape_of(graph), "[2, 3, 4]");
}

TEST(Lowering, DropoutIsItsInput) {
  const auto dropout = [](int64_t opset, const AttributeValues& attributes) {
    return import_ok(ModelBuilder(opset)
                         .input("x", {2, 3})
                         .node("Relu", {"x"}, {"r"})
                         .node("Dropout", {"r"}, {"y", "mask"}, attributes)
                         .output("y")
                         .output("mask"));
  };
  const ir::Graph old = dropout(7, {{"ratio", 0.3f}});
  EXPECT_EQ(ops_of(old.main), "Relu Shape ConstantOfShape");
  EXPECT_EQ(old.main.outputs[1]->dtype, DataType::kFloat32);
  EXPECT_EQ(dropout(13, {}).main.outputs[1]->dtype, DataType::kBool);
}

TEST(Lowering, DropoutInTrainingDrawsNumbers) {
  const ir::Graph graph =
      import_ok(ModelBuilder()
                    .input("x", {2})
                    .input("r", {})
                    .input("t", {}, kBool)
                    .node("Dropout", {"x", "r", "t"}, {"y", "mask"}, {{"seed", int64_t{7}}})
                    .output("y")
                    .output("mask"));
  EXPECT_THAT(ops_of(graph.main), HasSubstr("RandomUniform GreaterOrEqual"));
  EXPECT_EQ(graph.main.outputs[0]->dtype, DataType::kFloat32);
  EXPECT_EQ(graph.main.outputs[1]->dtype, DataType::kBool);
}

ModelBuilder batch_norm(int64_t opset, const Names& outputs, const AttributeValues& attributes) {
  return ModelBuilder(opset)
      .input("x", {"n", 2, 4})
      .initializer(float_tensor("w", {2}, {1, 2}))
      .node("BatchNormalization", {"x", "w", "w", "w", "w"}, outputs, attributes, "bn")
      .output(outputs.back());
}

TEST(Lowering, BatchNormalizationInTrainingMeasuresTheBatch) {
  const ir::Graph graph =
      import_ok(batch_norm(14, {"y", "mean", "var"}, {{"training_mode", int64_t{1}}}));
  EXPECT_THAT(ops_of(graph.main), HasSubstr("ReduceMean Sub Mul ReduceMean ReduceMean"));
  EXPECT_EQ(ir::to_string(graph.main.outputs[0]->shape), "[2]");
}

TEST(Lowering, BatchNormalizationInInferenceTakesItsInputs) {
  const ir::Graph graph = import_ok(batch_norm(9, {"y"}, {{"momentum", 0.5f}}));
  EXPECT_EQ(ops_of(graph.main), "BatchNormalization");
  EXPECT_THAT(batch_norm(7, {"y"}, {{"spatial", int64_t{0}}}).error().message(),
              HasSubstr("spatial = 0"));
  EXPECT_THAT(batch_norm(9, {"y", "mean"}, {}).error().message(),
              HasSubstr("'mean', an output of a BatchNormalization node that is computed in "
                        "training only"));
}

TEST(Lowering, LayerNormalizationGivesItsStatisticsOnDemand) {
  const ir::Graph graph = import_ok(ModelBuilder()
                                        .input("x", {2, 3, 4})
                                        .input("w", {4})
                                        .node("LayerNormalization", {"x", "w"}, {"y", "m", "d"})
                                        .output("y")
                                        .output("m")
                                        .output("d"));
  EXPECT_EQ(ops_of(graph.main),
            "ReduceMean Sub Mul ReduceMean Add Sqrt Reciprocal LayerNormalization");
  EXPECT_EQ(ir::to_string(graph.main.outputs[2]->shape), "[2, 3, 1]");
}

TEST(Lowering, GroupNormalizationScalesChannels) {
  const ir::Graph graph = import_ok(
      ModelBuilder(18)
          .input("x", {"n", 6, 4})
          .input("w", {3})
          .node("GroupNormalization", {"x", "w", "w"}, {"y"}, {{"num_groups", int64_t{3}}})
          .output("y", {"n", 6, 4}));
  EXPECT_EQ(ir::to_string(graph.main.nodes.back().inputs[1]->shape), "[6]");
}

TEST(Lowering, UpsampleIsResize) {
  const auto resize = [](const ModelBuilder& model) {
    const ir::Graph graph = import_ok(model);
    EXPECT_EQ(shape_of(graph), "[1, 1, 4, 8]");
    return ir::to_string(graph.main.nodes.back().attributes);
  };
  const std::vector<float> scales = {1, 1, 2, 2};
  const onnx::TensorProto tensor = float_tensor("s", {4}, scales);
  const auto model = [](int64_t opset) {
    return ModelBuilder(opset).input("x", {1, 1, 2, 4}).output("y");
  };
  const std::string expected =
      "{coordinate_transformation_mode = \"asymmetric\", mode = \"nearest\", nearest_mode = "
      "\"floor\"}";
  EXPECT_EQ(resize(model(7).node("Upsample", {"x"}, {"y"}, {{"scales", scales}})), expected);
  EXPECT_EQ(resize(model(9).initializer(tensor).node("Upsample", {"x", "s"}, {"y"})), expected);
  EXPECT_EQ(resize(model(10).initializer(tensor).node("Resize", {"x", "s"}, {"y"})), expected);
  resize(model(13)
             .initializer(tensor)
             .initializer(float_tensor("none", {0}, {}))
             .node("Resize", {"x", "none", "s"}, {"y"}));
  resize(model(13)
             .initializer(int64_tensor("sizes", {1, 1, 4, 8}))
             .initializer(float_tensor("none", {0}, {}))
             .node("Resize", {"x", "", "none", "sizes"}, {"y"}));
}

TEST(Lowering, ConstantsComeInManyForms) {
  const auto constant = [](const AttributeValues& attributes) {
    const ir::Graph graph =
        import_ok(ModelBuilder().node("Constant", {}, {"y"}, attributes).output("y"));
    EXPECT_EQ(graph.onnx_node_count, 0);
    return std::string(to_string(graph.main.outputs[0]->dtype)) + shape_of(graph);
  };
  EXPECT_EQ(constant({{"value", float_tensor("", {2, 1}, {1, 2})}}), "float32[2, 1]");
  EXPECT_EQ(constant({{"value_float", 1.0f}}), "float32[]");
  EXPECT_EQ(constant({{"value_floats", std::vector<float>{1, 2}}}), "float32[2]");
  EXPECT_EQ(constant({{"value_int", int64_t{1}}}), "int64[]");
  EXPECT_EQ(constant({{"value_ints", std::vector<int64_t>{1, 2, 3}}}), "int64[3]");
  EXPECT_EQ(constant({{"value_string", "text"}}), "string[]");
  EXPECT_THAT(ModelBuilder()
                  .node("Constant", {}, {"y"}, {{"value_text", "text"}}, "c")
                  .output("y")
                  .error()
                  .message(),
              HasSubstr("node 'c' (Constant): attribute 'value_text' is not supported"));
}

TEST(Lowering, ConstantOfShapeHasItsValueAmongTheAttributes) {
  const ir::Graph graph =
      import_ok(ModelBuilder()
                    .input("shape", {2}, kInt64)
                    .node("ConstantOfShape", {"shape"}, {"y"}, {{"value", int64_tensor("", {7})}})
                    .output("y"));
  EXPECT_EQ(ir::to_string(graph.main.nodes.front().attributes), "{dtype = 7, value = 7}");
}

TEST(Lowering, OtherOperators) {
  EXPECT_EQ(ops_of(import_node(15, "CastLike", {}, {"x", "x"}).main), "Cast");
  EXPECT_EQ(ops_of(import_node(17, "GlobalLpPool", {}).main), "ReduceL2");
  EXPECT_EQ(ops_of(import_node(17, "GlobalLpPool", {{"p", int64_t{3}}}).main),
            "Abs Pow ReduceSum Pow");
  EXPECT_EQ(ops_of(import_node(28, "SwiGLU", {}, {"x", "x"}).main), "Swish Mul");
  const ir::Graph scatter = import_ok(ModelBuilder(9)
                                          .input("x", {3})
                                          .input("i", {2}, kInt64)
                                          .input("u", {2})
                                          .node("Scatter", {"x", "i", "u"}, {"y"})
                                          .output("y"));
  EXPECT_EQ(ops_of(scatter.main), "ScatterElements");
}

}  // namespace
}  // namespace penstock::importer
