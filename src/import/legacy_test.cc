// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Opsets 1 to 6.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// One node that reads x, of shape [2, 3, 4, 4], and constants.
ModelBuilder model(int64_t opset, const std::string& op, const Names& inputs,
                   const AttributeValues& attributes) {
  return ModelBuilder(opset)
      .input("x", {2, 3, 4, 4})
      .initializer(float_tensor("three", {3}, {1, 2, 3}))
      .initializer(float_tensor("four", {4}, {1, 2, 3, 4}))
      .initializer(float_tensor("one", {1}, {1}))
      .initializer(float_tensor("two", {1}, {2}))
      .node(op, inputs, {"y"}, attributes, "n")
      .output("y");
}

ir::Graph import_ok(const ModelBuilder& builder) {
  Result<ir::Graph> graph = builder.import();
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  return graph.is_ok() ? std::move(graph).value() : ir::Graph();
}

std::string shape_of(const ir::Graph& graph) {
  return graph.main.outputs.empty() ? "none" : ir::to_string(graph.main.outputs[0]->shape);
}

TEST(Legacy, BroadcastPlacesTheSecondOperand) {
  const AttributeValues at_one = {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}};
  const ir::Graph channels = import_ok(model(6, "Add", {"x", "three"}, at_one));
  EXPECT_EQ(ops_of(channels.main), "Reshape Add");
  EXPECT_EQ(ir::to_string(channels.main.nodes.front().outputs[0]->shape), "[3, 1, 1]");
  const ir::Graph last = import_ok(model(6, "Mul", {"x", "four"}, {{"broadcast", int64_t{1}}}));
  EXPECT_EQ(ops_of(last.main), "Mul");
  const AttributeValues outside = {{"broadcast", int64_t{1}}, {"axis", int64_t{4}}};
  EXPECT_THAT(model(6, "Add", {"x", "three"}, outside).error().message(), HasSubstr("axis 4"));
}

TEST(Legacy, SlopesAreOnePerChannel) {
  EXPECT_EQ(ops_of(import_ok(model(6, "PRelu", {"x", "three"}, {})).main), "Reshape PRelu");
  EXPECT_EQ(ops_of(import_ok(model(6, "PRelu", {"x", "one"}, {})).main), "PRelu");
}

TEST(Legacy, TrainingIsRefused) {
  EXPECT_EQ(ops_of(import_ok(model(6, "Dropout", {"x"}, {{"is_test", int64_t{1}}})).main), "Copy");
  EXPECT_THAT(model(6, "Dropout", {"x"}, {{"is_test", int64_t{0}}}).error().message(),
              HasSubstr("is_test = 0 is not supported"));
}

TEST(Legacy, AttributesStandForInputs) {
  EXPECT_EQ(
      shape_of(import_ok(model(1, "Reshape", {"x"}, {{"shape", std::vector<int64_t>{0, -1}}}))),
      "[2, 48]");
  EXPECT_EQ(shape_of(import_ok(model(
                1, "Pad", {"x"}, {{"paddings", std::vector<int64_t>{0, 0, 1, 2, 0, 0, 1, 0}}}))),
            "[2, 3, 6, 6]");
  EXPECT_EQ(shape_of(import_ok(model(1, "Tile", {"x", "two", "one"}, {}))), "[2, 6, 4, 4]");
  EXPECT_EQ(shape_of(import_ok(
                model(1, "Upsample", {"x"}, {{"height_scale", 2.0f}, {"width_scale", 3.0f}}))),
            "[2, 3, 8, 12]");
  EXPECT_EQ(shape_of(import_ok(model(1, "Concat", {"x", "x"}, {}))), "[2, 6, 4, 4]");
}

TEST(Legacy, CastNamesItsType) {
  const ir::Graph graph = import_ok(model(1, "Cast", {"x"}, {{"to", "INT32"}}));
  EXPECT_EQ(graph.main.outputs[0]->dtype, DataType::kInt32);
  EXPECT_THAT(model(1, "Cast", {"x"}, {{"to", "INT33"}}).error().message(), HasSubstr("INT33"));
}

TEST(Legacy, PowersOfPoolsAreWhole) {
  const std::vector<int64_t> kernel = {2, 2};
  EXPECT_EQ(shape_of(import_ok(model(1, "LpPool", {"x"}, {{"kernel_shape", kernel}, {"p", 3.0f}}))),
            "[2, 3, 3, 3]");
  EXPECT_THAT(model(1, "LpPool", {"x"}, {{"kernel_shape", kernel}, {"p", 2.5f}}).error().message(),
              HasSubstr("whole number"));
}

TEST(Legacy, TheFirstFilesImportNoOperatorSet) {
  ModelBuilder builder = model(1, "Tile", {"x", "two", "one"}, {});
  builder.proto.clear_opset_import();
  EXPECT_FALSE(builder.import().is_ok());
  builder.proto.set_ir_version(2);
  EXPECT_EQ(shape_of(import_ok(builder)), "[2, 6, 4, 4]");
}

TEST(Legacy, SeluHadRoundedDefaults) {
  const ir::Graph graph = import_ok(model(1, "Selu", {"x"}, {}));
  EXPECT_EQ(graph.main.nodes.front().attributes.get_float("alpha"), 1.6732f);
}

}  // namespace
}  // namespace penstock::importer
