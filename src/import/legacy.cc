// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Opsets 1 to 6: operators that said then in attributes what inputs, shapes or defaults say now.
#include <cmath>

#include "import/emitter.h"
#include "import/node_importer.h"
#include "import/rules.h"
#include "onnx/onnx-ml.pb.h"
#include "ops/op_definition.h"

namespace penstock::importer {
namespace {

// Gives `b` trailing axes of 1, so that its first axis meets axis `axis` of `a`.
Result<ir::Value*> align(NodeImporter& node, const ir::Value* a, ir::Value* b, int64_t axis) {
  const auto rank = static_cast<int64_t>(a->shape.size());
  const auto own = static_cast<int64_t>(b->shape.size());
  if (axis < 0) axis += rank;
  if (axis < 0 || axis + own > rank) {
    return node.invalid("axis " + std::to_string(axis) + " does not place " +
                        ir::to_string(b->shape) + " in " + ir::to_string(a->shape));
  }
  if (axis + own == rank || own == 0) return b;
  ir::SymbolicShape shape = b->shape;
  shape.resize(static_cast<size_t>(rank - axis), 1);
  Emitter emit(node);
  ir::Value* wide = emit.reshape(b, std::move(shape));
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  return wide;
}

// With broadcast = 1 the second operand's axes are a run of the first one's: from `axis` on, or the
// last ones.
Status import_binary(NodeImporter& node) {
  const ir::Attributes& attributes = node.attributes();
  ir::Value* b = node.input(1);
  if (attributes.get_int("broadcast") != 0 && attributes.has("axis")) {
    PENSTOCK_ASSIGN_OR_RETURN(b, align(node, node.input(0), b, attributes.get_int("axis")));
  }
  return node.emit_result(node.rule().op, {node.input(0), b});
}

// One slope per channel: the channels are axis 1.
Status import_prelu(NodeImporter& node) {
  ir::Value* slope = node.input(1);
  const bool is_single = ir::element_count(slope->shape).is_constant(1);
  if (slope->shape.size() == 1 && node.input(0)->shape.size() > 1 && !is_single) {
    PENSTOCK_ASSIGN_OR_RETURN(slope, align(node, node.input(0), slope, 1));
  }
  return node.emit_result("PRelu", {node.input(0), slope});
}

Status import_selu_1(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  attributes.set("alpha", attributes.get_float("alpha", 1.6732f));
  attributes.set("gamma", attributes.get_float("gamma", 1.0507f));
  return node.emit_result("Selu", node.inputs(), std::move(attributes));
}

// The type's name instead of its number.
Status import_cast_1(NodeImporter& node) {
  const std::string to = node.attributes().get_string("to");
  onnx::TensorProto::DataType type = onnx::TensorProto::UNDEFINED;
  if (!onnx::TensorProto::DataType_Parse(to, &type)) return node.invalid("no type '" + to + "'");
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(type));
  return node.emit_result("Cast", node.inputs(), std::move(attributes));
}

Status import_concat_1(NodeImporter& node) {
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis", 1));
  return node.emit_result("Concat", node.inputs(), std::move(attributes));
}

Status import_lp_pool_1(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const float p = attributes.get_float("p", 2.0f);
  if (!(p >= 1.0f && p <= 64.0f) || p != std::floor(p)) {
    return node.unsupported("p must be a whole number from 1 to 64, not " + std::to_string(p));
  }
  attributes.set("p", static_cast<int64_t>(p));
  return node.emit_result("LpPool", node.inputs(), std::move(attributes));
}

Status import_pad_1(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const float value = attributes.get_float("value");
  attributes.set("pads", attributes.get_ints("paddings"));
  attributes.erase("paddings");
  attributes.erase("value");
  std::vector<ir::Value*> inputs = {node.input(0)};
  if (value != 0.0f) {
    inputs = {node.input(0), nullptr, node.float_constant(value, node.input(0)->dtype)};
  }
  return node.emit_result("Pad", std::move(inputs), std::move(attributes));
}

Status import_reshape_1(NodeImporter& node) {
  if (!node.attributes().has("shape")) return node.invalid("attribute 'shape' is missing");
  return node.emit_result("Reshape", node.inputs(), node.attributes());
}

// The parts may be an input, of the data's type.
Status import_split_1(NodeImporter& node) {
  ir::Value* parts = node.input(1);
  if (parts == nullptr) return node.emit_result("Split", node.inputs(), node.attributes());
  Emitter emit(node);
  parts = emit.cast(parts, DataType::kInt64);
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis"));
  return node.emit_result("Split", {node.input(0), parts}, std::move(attributes));
}

// A whole number that the model holds as a constant of any type.
Result<int64_t> constant_scalar(const NodeImporter& node, size_t i) {
  const ir::Value* value = node.input(i);
  if (value->is_constant() && element_count(value->constant->shape) == 1) {
    if (is_integer(value->dtype)) return to_int64s(*value->constant)[0];
    const float number = to_floats(*value->constant)[0];
    if (std::fabs(number) < 1e9f) return static_cast<int64_t>(number);
  }
  return node.unsupported("input " + std::to_string(i) + " must be a constant of one number");
}

// Repeats along one axis.
Status import_tile_1(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t tiles, constant_scalar(node, 1));
  PENSTOCK_ASSIGN_OR_RETURN(int64_t axis, constant_scalar(node, 2));
  const auto rank = static_cast<int64_t>(node.input(0)->shape.size());
  Result<int64_t> wrapped = ops::InferContext::normalize_axis(axis, rank);
  if (!wrapped.is_ok()) return node.invalid(wrapped.status().message());
  std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
  repeats[static_cast<size_t>(*wrapped)] = tiles;
  ir::Attributes attributes;
  attributes.set("repeats", repeats);
  return node.emit_result("Tile", {node.input(0)}, std::move(attributes));
}

constexpr std::string_view kInPlace = "~consumed_inputs:I";
constexpr std::string_view kBinary = "axis:i broadcast:i ~consumed_inputs:I";
constexpr std::string_view kRecurrent =
    "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
    "~output_sequence:i";

constexpr Rule kRules[] = {
    {"Abs", 1, {1, 1}, 1, kInPlace},
    {"Ceil", 1, {1, 1}, 1, kInPlace},
    {"Elu", 1, {1, 1}, 1, "alpha:f ~consumed_inputs:I"},
    {"Exp", 1, {1, 1}, 1, kInPlace},
    {"Floor", 1, {1, 1}, 1, kInPlace},
    {"HardSigmoid", 1, {1, 1}, 1, "alpha:f beta:f ~consumed_inputs:I"},
    {"InstanceNormalization", 1, {3, 3}, 1, "epsilon:f ~consumed_inputs:I"},
    {"LeakyRelu", 1, {1, 1}, 1, "alpha:f ~consumed_inputs:I"},
    {"Log", 1, {1, 1}, 1, kInPlace},
    {"Neg", 1, {1, 1}, 1, kInPlace},
    {"Reciprocal", 1, {1, 1}, 1, kInPlace},
    {"Relu", 1, {1, 1}, 1, kInPlace},
    {"Selu", 1, {1, 1}, 1, "alpha:f gamma:f ~consumed_inputs:I", import_selu_1},
    {"Sigmoid", 1, {1, 1}, 1, kInPlace},
    {"Sqrt", 1, {1, 1}, 1, kInPlace},
    {"Tanh", 1, {1, 1}, 1, kInPlace},

    {"Add", 1, {2, 2}, 1, kBinary, import_binary},
    {"And", 1, {2, 2}, 1, kBinary, import_binary},
    {"Div", 1, {2, 2}, 1, kBinary, import_binary},
    {"Equal", 1, {2, 2}, 1, kBinary, import_binary},
    {"Greater", 1, {2, 2}, 1, kBinary, import_binary},
    {"Less", 1, {2, 2}, 1, kBinary, import_binary},
    {"Mul", 1, {2, 2}, 1, kBinary, import_binary},
    {"Or", 1, {2, 2}, 1, kBinary, import_binary},
    {"PRelu", 1, {2, 2}, 1, kInPlace, import_prelu},
    {"Pow", 1, {2, 2}, 1, kBinary, import_binary},
    {"Sub", 1, {2, 2}, 1, kBinary, import_binary},
    {"Xor", 1, {2, 2}, 1, kBinary, import_binary},

    {"AveragePool", 1, {1, 1}, 1, "auto_pad:s kernel_shape:I pads:I strides:I"},
    {"Cast", 1, {1, 1}, 1, "to:s", import_cast_1},
    {"Concat", 1, {1, Arity::kAny}, 1, "axis:i", import_concat_1},
    {"GRU", 1, {3, 6}, 2, kRecurrent},
    {"GRU",
     3,
     {3, 6},
     2,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "linear_before_reset:i ~output_sequence:i"},
    {"LSTM",
     1,
     {3, 8},
     3,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "input_forget:i ~output_sequence:i"},
    {"LpPool", 1, {1, 1}, 1, "auto_pad:s kernel_shape:I p:f pads:I strides:I", import_lp_pool_1},
    {"Pad", 1, {1, 1}, 1, "mode:s paddings:I value:f", import_pad_1},
    {"RNN", 1, {3, 6}, 2, kRecurrent},
    {"Reshape", 1, {1, 1}, 1, "shape:I ~consumed_inputs:I", import_reshape_1},
    {"Split", 1, {1, 2}, Arity::kAny, "axis:i split:I", import_split_1, "Split Cast"},
    {"Tile", 1, {3, 3}, 1, "", import_tile_1},
};

}  // namespace

RuleList legacy_rules() { return kRules; }

}  // namespace penstock::importer
