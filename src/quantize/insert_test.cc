// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/insert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ir/parse.h"
#include "ops/op_definition.h"
#include "quantize/layers.h"

namespace penstock::quantize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Two convolutions and a sum; the first one's result is read by both others.
constexpr std::string_view kResidual = R"ir(
graph g(%x : float32[n, 2, 5, 5]) {
  %a = Conv(%x, const float32[2, 2, 1, 1][1, 2, -4, 0])
  %r = Relu(%a)
  %b = Conv(%r, const float32[2, 2, 1, 1][0, 0, 0, 1])
  %s = Add(%b, %r)
  return %s
}
)ir";

ir::Graph parsed(std::string_view text) {
  Result<ir::Graph> graph = ir::parse_text(text);
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_TRUE(ops::infer_graph(*graph).is_ok());
  return *std::move(graph);
}

CalibrationTable table_of(std::map<std::string, CalibratedRange, std::less<>> ranges) {
  CalibrationTable table;
  table.ranges = std::move(ranges);
  return table;
}

const ir::Node& node_of(const ir::Graph& graph, std::string_view op, size_t index = 0) {
  for (const ir::Node& node : graph.main.nodes) {
    if (node.op == op && index-- == 0) return node;
  }
  ADD_FAILURE() << "no such node: " << op << "\n" << ir::to_text(graph);
  return graph.main.nodes.front();
}

float scale_of(const ir::Node& node) { return node.inputs[1]->constant->as<float>()[0]; }

TEST(Insert, GivesEachValueOneScaleAndEachOutputOfTheWeightsItsOwn) {
  ir::Graph graph = parsed(kResidual);
  const CalibrationTable table = table_of({{"x", {-2, 1, 1.27f}}, {"r", {0, 5, 2.55f}}});
  const Result<Inserted> inserted = insert_quantization(graph, table, {});
  ASSERT_TRUE(inserted.is_ok()) << inserted.status().message();
  EXPECT_EQ(inserted->quantized, 2);
  const ir::Node& x = node_of(graph, "QuantizeLinear", 0);
  const ir::Node& r = node_of(graph, "QuantizeLinear", 1);
  EXPECT_EQ(x.outputs[0]->dtype, DataType::kInt8);
  EXPECT_NEAR(scale_of(x), 0.01, 1e-7);
  EXPECT_EQ(r.outputs[0]->dtype, DataType::kUInt8);  // never negative
  EXPECT_NEAR(scale_of(r), 0.01, 1e-7);
  const ir::Node& weights = *node_of(graph, "Conv", 0).inputs[1]->producer;
  EXPECT_THAT(weights.inputs[1]->constant->as<float>(), ElementsAre(2.0f / 127, 4.0f / 127));
  EXPECT_THAT(weights.inputs[0]->constant->as<int8_t>(), ElementsAre(64, 127, -127, 0));
  // An output without weights has a scale that is a number.
  const ir::Node& sparse = *node_of(graph, "Conv", 1).inputs[1]->producer;
  EXPECT_THAT(sparse.inputs[1]->constant->as<float>(), ElementsAre(1.0f, 1.0f / 127));
  // The sum reads what the convolution reads.
  EXPECT_EQ(node_of(graph, "Add").inputs[1], node_of(graph, "Conv", 1).inputs[0]);
}

TEST(Insert, CachesWithoutExtremesHaveTheSignOfTheOperator) {
  ir::Graph graph = parsed(kResidual);
  const CalibrationTable table = table_of({{"x", {-1, 1, 1}}, {"r", {-2.55f, 2.55f, 2.55f}}});
  ASSERT_TRUE(insert_quantization(graph, table, {}).is_ok());
  EXPECT_EQ(node_of(graph, "QuantizeLinear", 0).outputs[0]->dtype, DataType::kInt8);
  EXPECT_EQ(node_of(graph, "QuantizeLinear", 1).outputs[0]->dtype, DataType::kUInt8);
}

TEST(Insert, SignedWhereTheDeviceMultipliesOnlySuch) {
  ir::Graph graph = parsed(kResidual);
  const CalibrationTable table = table_of({{"x", {-2, 1, 1.27f}}, {"r", {0, 5, 2.54f}}});
  InsertOptions options;
  options.unsigned_activations = false;
  ASSERT_TRUE(insert_quantization(graph, table, options).is_ok());
  const ir::Node& r = node_of(graph, "QuantizeLinear", 1);
  EXPECT_EQ(r.outputs[0]->dtype, DataType::kInt8);
  EXPECT_NEAR(scale_of(r), 0.02, 1e-7);
}

TEST(Insert, LayersStayInFloatWhereTheyAreAskedTo) {
  ir::Graph graph = parsed(kResidual);
  const std::string second = node_of(graph, "Conv", 1).name;
  InsertOptions options;
  options.layer_precisions = {{"op:Conv", DataType::kFloat32}, {second, DataType::kInt8}};
  const CalibrationTable table = table_of({{"r", {0, 5, 2.55f}}});
  const Result<Inserted> inserted = insert_quantization(graph, table, options);
  ASSERT_TRUE(inserted.is_ok()) << inserted.status().message();
  EXPECT_EQ(inserted->quantized, 1);
  EXPECT_THAT(inserted->kept, ElementsAre(node_of(graph, "Conv", 0).name));
  EXPECT_TRUE(node_of(graph, "Conv", 0).inputs[1]->is_constant());
  EXPECT_THAT(
      idle_rules(graph, {{"op:Convolution", DataType::kInt8}, {"op:Conv", DataType::kInt8}}),
      ElementsAre("op:Convolution"));
}

TEST(Insert, AValueWithoutARangeIsAnError) {
  ir::Graph graph = parsed(kResidual);
  EXPECT_THAT(insert_quantization(graph, table_of({{"x", {-1, 1, 1}}}), {}).status().message(),
              HasSubstr("1 of 2 layers, such as of 'r'"));
  ir::Graph again = parsed(kResidual);
  const CalibrationTable zeros = table_of({{"x", {0, 0, 0}}, {"r", {0, 1, 1}}});
  EXPECT_THAT(insert_quantization(again, zeros, {}).status().message(),
              HasSubstr("value 'x', which layer"));
}

TEST(Insert, AViewHasTheRangeOfWhatItShows) {
  ir::Graph graph = parsed(R"ir(
graph g(%x : float32[n, 2, 4]) {
  %f = Flatten(%x) {axis = 1}
  %y = MatMul(%f, const float32[8, 2]random)
  return %y
}
)ir");
  EXPECT_EQ(watched_values(graph).at(0)->name, "x");
  const Result<Inserted> inserted = insert_quantization(graph, table_of({{"x", {-1, 1, 1}}}), {});
  ASSERT_TRUE(inserted.is_ok()) << inserted.status().message();
  EXPECT_EQ(node_of(graph, "QuantizeLinear").inputs[0]->name, "f");
}

// What GELU gives: from -0.17 to much more.
TEST(Insert, ValuesThatAreHardlyNegativeHaveAZeroPoint) {
  constexpr std::string_view kProduct = R"ir(
graph g(%x : float32[n, 8]) {
  %y = MatMul(%x, const float32[8, 2]random)
  return %y
}
)ir";
  ir::Graph graph = parsed(kProduct);
  ASSERT_TRUE(insert_quantization(graph, table_of({{"x", {-0.2f, 9, 4.9f}}}), {}).is_ok());
  const ir::Node& x = node_of(graph, "QuantizeLinear");
  EXPECT_EQ(x.outputs[0]->dtype, DataType::kUInt8);
  EXPECT_NEAR(scale_of(x), 5.1 / 255, 1e-7);
  EXPECT_EQ(x.inputs[2]->constant->as<uint8_t>()[0], 10);
  ir::Graph wide = parsed(kProduct);
  ASSERT_TRUE(insert_quantization(wide, table_of({{"x", {-2, 9, 4.9f}}}), {}).is_ok());
  EXPECT_EQ(node_of(wide, "QuantizeLinear").outputs[0]->dtype, DataType::kInt8);
}

TEST(Insert, ContradictoryRulesAreErrors) {
  ir::Graph graph = parsed(kResidual);
  const auto message = [&](const std::vector<LayerPrecision>& rules) {
    return check_rules(graph, rules).message();
  };
  EXPECT_THAT(message({{"a", DataType::kInt8}, {"a", DataType::kFloat32}}),
              HasSubstr("'a' is asked to be in int8 and in float32"));
  EXPECT_THAT(message({{"op:Relu", DataType::kInt8}}),
              HasSubstr("no layer that computes in 8 bits"));
  EXPECT_EQ(message({{"op:*", DataType::kInt8}, {"op:Conv", DataType::kFloat32}}), "");
}

TEST(Insert, ProductsOfTwoActivationsStayInFloat) {
  ir::Graph graph = parsed(R"ir(
graph g(%x : float32[n, 2, 4], %z : float32[n, 4, 3]) {
  %y = MatMul(%x, %z)
  return %y
}
)ir");
  EXPECT_TRUE(watched_values(graph).empty());
  EXPECT_EQ(insert_quantization(graph, {}, {})->quantized, 0);
}

}  // namespace
}  // namespace penstock::quantize
