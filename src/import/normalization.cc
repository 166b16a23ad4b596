// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "import/node_importer.h"
#include "import/rules.h"
#include "ops/op_definition.h"

namespace penstock::importer {
namespace {

constexpr DataType kFloat32 = DataType::kFloat32;

ir::Attribute type_attribute(DataType type) { return static_cast<int64_t>(type); }

// Up to opset 6 a node says whether it is in training; one that says nothing is taken for not.
Status check_is_test(const NodeImporter& node) {
  if (node.attributes().get_int("is_test", 1) != 0) return Status::ok();
  return node.unsupported("is_test = 0 is not supported: export the model for inference");
}

// Mean and variance of each channel, computed in float32 at least and given as `type`.
Result<std::pair<ir::Value*, ir::Value*>> emit_channel_statistics(NodeImporter& node,
                                                                  DataType type) {
  ir::Value* x = node.input(0);
  std::vector<int64_t> axes = {0};
  for (size_t i = 2; i < x->shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (x->dtype != DataType::kFloat32 && x->dtype != DataType::kFloat64) {
    PENSTOCK_ASSIGN_OR_RETURN(x, node.emit("Cast", {x}, {{"to", type_attribute(kFloat32)}}));
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * center, node.emit("ReduceMean", {x}, {{"axes", axes}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * distance, node.emit("Sub", {x, center}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * squares, node.emit("Mul", {distance, distance}));
  std::pair<ir::Value*, ir::Value*> statistics;
  for (auto [from, to] :
       {std::pair(x, &statistics.first), std::pair(squares, &statistics.second)}) {
    PENSTOCK_ASSIGN_OR_RETURN(
        *to, node.emit("ReduceMean", {from}, {{"axes", axes}, {"keepdims", int64_t{0}}}));
    if ((*to)->dtype != type) {
      PENSTOCK_ASSIGN_OR_RETURN(*to, node.emit("Cast", {*to}, {{"to", type_attribute(type)}}));
    }
  }
  return statistics;
}

// Makes output i: before * momentum + now * (1 - momentum).
Status bind_running(NodeImporter& node, size_t i, ir::Value* before, ir::Value* now) {
  const float momentum = node.attributes().get_float("momentum", 0.9f);
  const DataType type = before->dtype;
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * old,
                            node.emit("Mul", {before, node.float_constant(momentum, type)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * added,
                            node.emit("Mul", {now, node.float_constant(1.0f - momentum, type)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * running, node.emit("Add", {old, added}));
  node.alias(i, running);
  return Status::ok();
}

// Normalizes by the statistics of the batch and moves the running ones towards them.
Status import_training_batch_norm(NodeImporter& node, ir::Attributes attributes) {
  if (node.input(0)->shape.size() < 2) {
    return node.invalid("takes [N, C, ...], not a shape of " + ir::to_string(node.input(0)->shape));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto statistics,
                            emit_channel_statistics(node, node.input(3)->dtype));
  PENSTOCK_RETURN_IF_ERROR(bind_running(node, 1, node.input(3), statistics.first));
  PENSTOCK_RETURN_IF_ERROR(bind_running(node, 2, node.input(4), statistics.second));
  return node.emit_result(
      "BatchNormalization",
      {node.input(0), node.input(1), node.input(2), statistics.first, statistics.second},
      std::move(attributes), 1);
}

Status import_batch_norm(NodeImporter& node) {
  PENSTOCK_RETURN_IF_ERROR(check_is_test(node));
  if (node.attributes().get_int("spatial", 1) == 0) {
    return node.unsupported("spatial = 0 is not supported");
  }
  ir::Attributes attributes;
  attributes.set("epsilon", node.attributes().get_float("epsilon", 1e-5f));
  if (node.attributes().get_int("training_mode") != 0) {
    return import_training_batch_norm(node, std::move(attributes));
  }
  return node.emit_result("BatchNormalization", node.inputs(), std::move(attributes), 1);
}

// The mask of what is kept: everything.
Status bind_dropout_mask(NodeImporter& node) {
  if (!node.wants(1)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * shape, node.emit("Shape", {node.input(0)}));
  const DataType dtype = node.opset() < 10 ? node.input(0)->dtype : DataType::kBool;
  ir::Attribute one = int64_t{1};
  if (is_floating(dtype)) one = 1.0f;
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * mask,
                            node.emit("ConstantOfShape", {shape},
                                      {{"dtype", static_cast<int64_t>(dtype)}, {"value", one}}));
  node.alias(1, mask);
  return Status::ok();
}

// True unless the node surely drops nothing.
bool may_drop(const ir::Value* ratio, const ir::Value* training) {
  if (training == nullptr) return false;
  const bool is_inference = training->is_constant() && training->constant->bytes > 0 &&
                            to_int64s(*training->constant) == std::vector<int64_t>{0};
  const bool is_zero = ratio != nullptr && ratio->is_constant() &&
                       to_floats(*ratio->constant) == std::vector<float>{0.0f};
  return !is_inference && !is_zero;
}

// Keeps an element where a number drawn from [0, 1) is not below the ratio, and makes up for the
// others; all of that only where the input training_mode is true.
Status import_training_dropout(NodeImporter& node) {
  ir::Value* x = node.input(0);
  ir::Value* training = node.input(2);
  const DataType wide = DataType::kFloat64;
  ir::Attributes random;
  random.set("dtype", type_attribute(wide));
  if (node.attributes().has("seed")) random.set("seed", node.attributes().get_int("seed"));
  ir::Value* ratio = node.float_constant(0.5f, wide);
  if (node.input(1) != nullptr) {
    PENSTOCK_ASSIGN_OR_RETURN(ratio,
                              node.emit("Cast", {node.input(1)}, {{"to", type_attribute(wide)}}));
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * shape, node.emit("Shape", {x}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * draw,
                            node.emit("RandomUniform", {shape}, std::move(random)));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * kept, node.emit("GreaterOrEqual", {draw, ratio}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * share,
                            node.emit("Sub", {node.float_constant(1.0f, wide), ratio}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * inverse, node.emit("Reciprocal", {share}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * scale,
                            node.emit("Cast", {inverse}, {{"to", type_attribute(x->dtype)}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * scaled, node.emit("Mul", {x, scale}));
  PENSTOCK_ASSIGN_OR_RETURN(
      ir::Value * dropped, node.emit("Where", {kept, scaled, node.float_constant(0.0f, x->dtype)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * y, node.emit("Where", {training, dropped, x}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * inference, node.emit("Not", {training}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * mask, node.emit("Or", {kept, inference}));
  node.alias(0, y);
  node.alias(1, mask);
  return Status::ok();
}

Status import_dropout(NodeImporter& node) {
  PENSTOCK_RETURN_IF_ERROR(check_is_test(node));
  if (may_drop(node.input(1), node.input(2))) return import_training_dropout(node);
  node.alias(0, node.input(0));
  return bind_dropout_mask(node);
}

// Before opset 13 the axes from `axis` on were taken as one.
Status import_softmax_1(NodeImporter& node) {
  ir::Value* x = node.input(0);
  const auto rank = static_cast<int64_t>(x->shape.size());
  const std::string_view op = node.rule().op;
  Result<int64_t> axis =
      ops::InferContext::normalize_axis(node.attributes().get_int("axis", 1), rank);
  if (!axis.is_ok()) return node.invalid(axis.status().message());
  ir::Attributes attributes;
  attributes.set("axis", *axis);
  if (*axis == rank - 1) return node.emit_result(op, {x}, std::move(attributes));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * shape, node.emit("Shape", {x}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * rows, node.emit("Flatten", {x}, {{"axis", *axis}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * result, node.emit(op, {rows}, {{"axis", int64_t{1}}}));
  return node.emit_result("Reshape", {result, shape});
}

// Opset 18 scales groups, later opsets channels: repeats each group's number for its channels.
Result<ir::Value*> spread_to_channels(NodeImporter& node, ir::Value* per_group, int64_t groups,
                                      int64_t channels) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * column,
                            node.emit("Reshape", {per_group, node.ints({groups, 1})}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * wide,
                            node.emit("Expand", {column, node.ints({groups, channels / groups})}));
  return node.emit("Reshape", {wide, node.ints({channels})});
}

Status import_group_norm_18(NodeImporter& node) {
  const ir::SymbolicShape& shape = node.input(0)->shape;
  const int64_t groups = node.attributes().get_int("num_groups");
  if (shape.size() < 2 || !shape[1].is_constant()) {
    return node.unsupported("needs a fixed number of channels, not a shape of " +
                            ir::to_string(shape));
  }
  const int64_t channels = shape[1].constant();
  if (groups < 1 || channels % groups != 0) {
    return node.invalid("num_groups " + std::to_string(groups) + " does not divide " +
                        std::to_string(channels) + " channels");
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * scale,
                            spread_to_channels(node, node.input(1), groups, channels));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * bias,
                            spread_to_channels(node, node.input(2), groups, channels));
  return node.emit_result("GroupNormalization", {node.input(0), scale, bias}, node.attributes());
}

// Mean and 1 / deviation as tensors of their own, for the few models that want them.
Status bind_layer_statistics(NodeImporter& node) {
  ir::Value* x = node.input(0);
  const auto rank = static_cast<int64_t>(x->shape.size());
  Result<int64_t> axis =
      ops::InferContext::normalize_axis(node.attributes().get_int("axis", -1), rank);
  if (!axis.is_ok()) return node.invalid(axis.status().message());
  std::vector<int64_t> axes;
  for (int64_t i = *axis; i < rank; ++i) axes.push_back(i);
  const float epsilon = node.attributes().get_float("epsilon", 1e-5f);
  const auto float32 = static_cast<int64_t>(DataType::kFloat32);
  if (x->dtype != DataType::kFloat32) {
    PENSTOCK_ASSIGN_OR_RETURN(x, node.emit("Cast", {x}, {{"to", float32}}));
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * mean, node.emit("ReduceMean", {x}, {{"axes", axes}}));
  node.alias(1, mean);
  if (!node.wants(2)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * distance, node.emit("Sub", {x, mean}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * squares, node.emit("Mul", {distance, distance}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * variance,
                            node.emit("ReduceMean", {squares}, {{"axes", axes}}));
  PENSTOCK_ASSIGN_OR_RETURN(
      ir::Value * shifted,
      node.emit("Add", {variance, node.float_constant(epsilon, DataType::kFloat32)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * deviation, node.emit("Sqrt", {shifted}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * inverse, node.emit("Reciprocal", {deviation}));
  node.alias(2, inverse);
  return Status::ok();
}

Status import_layer_norm(NodeImporter& node) {
  if (node.wants(1) || node.wants(2)) PENSTOCK_RETURN_IF_ERROR(bind_layer_statistics(node));
  return node.emit_result("LayerNormalization", node.inputs(), node.attributes(), 1);
}

constexpr Rule kRules[] = {
    {"BatchNormalization",
     1,
     {5, 5},
     5,
     "~consumed_inputs:I epsilon:f is_test:i ~momentum:f spatial:i",
     import_batch_norm},
    {"BatchNormalization",
     7,
     {5, 5},
     5,
     "epsilon:f momentum:f spatial:i training_mode:i",
     import_batch_norm,
     "BatchNormalization ReduceMean Sub Mul Add Cast"},
    {"Dropout",
     1,
     {1, 1},
     2,
     "~consumed_inputs:I is_test:i ~ratio:f",
     import_dropout,
     "Copy Shape ConstantOfShape"},
    {"Dropout", 7, {1, 1}, 2, "~ratio:f", import_dropout, "Copy Shape ConstantOfShape"},
    {"Dropout",
     12,
     {1, 3},
     2,
     "seed:i",
     import_dropout,
     "Copy Shape ConstantOfShape RandomUniform Cast GreaterOrEqual Where Or Not"},
    {"GroupNormalization",
     18,
     {3, 3},
     1,
     "epsilon:f num_groups:i",
     import_group_norm_18,
     "GroupNormalization Reshape Expand"},
    {"GroupNormalization", 21, {3, 3}, 1, "epsilon:f num_groups:i ~stash_type:i"},
    {"Hardmax", 1, {1, 1}, 1, "axis:i", import_softmax_1, "Hardmax Shape Flatten Reshape"},
    {"Hardmax", 13, {1, 1}, 1, "axis:i"},
    {"InstanceNormalization", 6, {3, 3}, 1, "epsilon:f"},
    {"LRN", 1, {1, 1}, 1, "alpha:f beta:f bias:f size:i"},
    {"LayerNormalization", 17, {2, 3}, 3, "axis:i epsilon:f ~stash_type:i", import_layer_norm},
    {"LogSoftmax", 1, {1, 1}, 1, "axis:i", import_softmax_1, "LogSoftmax Shape Flatten Reshape"},
    {"LogSoftmax", 13, {1, 1}, 1, "axis:i"},
    {"LpNormalization", 1, {1, 1}, 1, "axis:i p:i"},
    {"MeanVarianceNormalization", 9, {1, 1}, 1, "axes:I"},
    {"RMSNormalization", 23, {2, 2}, 1, "axis:i epsilon:f ~stash_type:i"},
    {"Softmax", 1, {1, 1}, 1, "axis:i", import_softmax_1, "Softmax Shape Flatten Reshape"},
    {"Softmax", 13, {1, 1}, 1, "axis:i"},
};

}  // namespace

RuleList normalization_rules() { return kRules; }

}  // namespace penstock::importer
