// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Operators of other domains than ONNX's own, and the quantized ones, as core operators.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

constexpr int kUInt8 = onnx::TensorProto::UINT8;

ModelBuilder& in_domain(ModelBuilder& model, const std::string& domain) {
  for (onnx::NodeProto& node : *model.proto.mutable_graph()->mutable_node()) {
    node.set_domain(domain);
  }
  model.proto.mutable_opset_import(0)->set_domain(domain);
  model.proto.mutable_opset_import(0)->set_version(1);
  return model;
}

std::string imported_ops(const ModelBuilder& model) {
  const Result<ir::Graph> graph = model.import();
  return graph.is_ok() ? ops_of(graph->main) : graph.status().message();
}

TEST(Domains, OptimizersAreArithmetic) {
  ModelBuilder model =
      ModelBuilder()
          .input("r", {})
          .input("t", {}, kInt64)
          .input("x", {2})
          .input("g", {2})
          .input("v", {2})
          .node("Momentum", {"r", "t", "x", "g", "v"}, {"y", "w"},
                {{"alpha", 0.9f}, {"beta", 1.0f}, {"mode", "standard"}, {"norm_coefficient", 0.0f}})
          .output("y")
          .output("w");
  EXPECT_EQ(imported_ops(in_domain(model, "ai.onnx.preview.training")),
            "Cast Greater Where Cast Mul Mul Add Mul Sub");
  model.proto.mutable_graph()->mutable_node(0)->add_input("x");
  EXPECT_THAT(model.error().message(), HasSubstr("4 tensors and 2 outputs are not 3 and 2"));
}

TEST(Domains, MachineLearning) {
  ModelBuilder features = ModelBuilder()
                              .input("x", {"n", 4})
                              .input("i", {1, 2}, kInt64)
                              .node("ArrayFeatureExtractor", {"x", "i"}, {"y"})
                              .output("y");
  EXPECT_EQ(imported_ops(in_domain(features, "ai.onnx.ml")), "Reshape Gather");
  ModelBuilder labels = ModelBuilder()
                            .input("x", {"n"}, kInt64)
                            .node("LabelEncoder", {"x"}, {"y"},
                                  {{"keys_int64s", std::vector<int64_t>{1, 2}},
                                   {"values_floats", std::vector<float>{0.5f, 1.5f}}})
                            .output("y");
  const Result<ir::Graph> graph = in_domain(labels, "ai.onnx.ml").import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(graph->main.outputs[0]->dtype, DataType::kFloat32);
  labels.proto.mutable_graph()->mutable_node(0)->mutable_attribute()->DeleteSubrange(0, 1);
  EXPECT_THAT(labels.error().message(), HasSubstr("needs keys and values, as tensors or lists"));
}

TEST(Domains, UnknownOperatorsAreNamedWithTheirs) {
  ModelBuilder model = ModelBuilder().input("x", {2}).node("Normalizer", {"x"}, {"y"}).output("y");
  EXPECT_THAT(in_domain(model, "ai.onnx.ml").error().message(),
              HasSubstr("ai.onnx.ml::Normalizer"));
}

TEST(Quantized, AttributesAreExplicit) {
  const Result<ir::Graph> graph = ModelBuilder(21)
                                      .input("x", {2, 3})
                                      .input("s", {})
                                      .node("QuantizeLinear", {"x", "s"}, {"y"})
                                      .output("y")
                                      .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ir::to_string(graph->main.nodes.front().attributes),
            "{axis = 1, block_size = 0, output_dtype = 2, precision = 1, saturate = 1}");
}

TEST(Quantized, QLinearConvIsFloatBetweenQuantizations) {
  EXPECT_EQ(imported_ops(ModelBuilder()
                             .input("x", {1, 3, 8, 8}, kUInt8)
                             .input("s", {})
                             .input("z", {}, kUInt8)
                             .input("w", {4, 3, 3, 3}, kUInt8)
                             .input("b", {4}, onnx::TensorProto::INT32)
                             .node("QLinearConv", {"x", "s", "z", "w", "s", "z", "s", "z", "b"},
                                   {"y"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}})
                             .output("y")),
            "DequantizeLinear DequantizeLinear Mul DequantizeLinear Conv QuantizeLinear");
}

TEST(Quantized, QLinearMatMulTakesScalesOfEveryRank) {
  const auto matmul = [](const Extents& scale) {
    return imported_ops(
        ModelBuilder()
            .input("a", {2, 3, 4}, kUInt8)
            .input("s", scale)
            .input("z", scale, kUInt8)
            .input("one", {})
            .input("zero", {}, kUInt8)
            .input("b", {2, 4, 5}, kUInt8)
            .node("QLinearMatMul", {"a", "s", "z", "b", "one", "zero", "one", "zero"}, {"y"})
            .output("y"));
  };
  EXPECT_EQ(matmul({3}), "DequantizeLinear DequantizeLinear MatMul QuantizeLinear");
  EXPECT_EQ(matmul({2, 3, 1}), "Cast Cast Cast Sub Mul DequantizeLinear MatMul QuantizeLinear");
}

TEST(Quantized, OnnxRuntimesOperatorsAreFloatsBetweenQuantizations) {
  ModelBuilder sum = ModelBuilder()
                         .input("a", {"n", 4}, kUInt8)
                         .input("b", {"n", 4}, kUInt8)
                         .input("s", {})
                         .input("z", {}, kUInt8)
                         .node("QLinearAdd", {"a", "s", "z", "b", "s", "", "s", "z"}, {"y"})
                         .output("y");
  EXPECT_EQ(imported_ops(in_domain(sum, "com.microsoft")),
            "DequantizeLinear DequantizeLinear Add QuantizeLinear");
  ModelBuilder pool = ModelBuilder()
                          .input("a", {"n", 4, 5, 5}, kUInt8)
                          .input("s", {})
                          .input("z", {}, kUInt8)
                          .node("QLinearGlobalAveragePool", {"a", "s", "z", "s", "z"}, {"y"},
                                {{"channels_last", int64_t{0}}})
                          .output("y");
  EXPECT_EQ(imported_ops(in_domain(pool, "com.microsoft")),
            "DequantizeLinear GlobalAveragePool QuantizeLinear");
  pool.proto.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_i(1);
  EXPECT_THAT(pool.error().message(), HasSubstr("channels_last = 1"));
  ModelBuilder gemm = ModelBuilder()
                          .input("a", {"n", 4}, kUInt8)
                          .input("b", {3, 4}, kUInt8)
                          .input("s", {})
                          .input("z", {}, kUInt8)
                          .input("c", {3}, onnx::TensorProto::INT32)
                          .node("QGemm", {"a", "s", "z", "b", "s", "z", "c", "s", "z"}, {"y"},
                                {{"transB", int64_t{1}}})
                          .output("y");
  EXPECT_EQ(imported_ops(in_domain(gemm, "com.microsoft")),
            "DequantizeLinear DequantizeLinear Mul DequantizeLinear MatMul QuantizeLinear");
}

}  // namespace
}  // namespace penstock::importer
