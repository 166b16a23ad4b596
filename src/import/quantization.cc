// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr auto kFloat32 = static_cast<int64_t>(DataType::kFloat32);

// The type of a QuantizeLinear's output: its zero point's, else the attribute's, else uint8.
Result<DataType> quantized_type(const NodeImporter& node) {
  const auto asked = static_cast<DataType>(node.attributes().get_int("output_dtype"));
  const ir::Value* zero_point = node.input(2);
  if (zero_point == nullptr) return asked == DataType::kUndefined ? DataType::kUInt8 : asked;
  if (asked != DataType::kUndefined && asked != zero_point->dtype) {
    return node.invalid("output_dtype is " + std::string(to_string(asked)) +
                        ", but the zero point is " + std::string(to_string(zero_point->dtype)));
  }
  return zero_point->dtype;
}

// Division happens in `precision`, else in the scale's type; scales that are powers of two alone or
// integers are floats to it.
Result<DataType> quotient_type(const NodeImporter& node) {
  const auto asked = static_cast<DataType>(node.attributes().get_int("precision"));
  const DataType type = asked == DataType::kUndefined ? node.input(1)->dtype : asked;
  if (type == DataType::kFloat16 || type == DataType::kBFloat16) return type;
  if (asked != DataType::kUndefined && asked != DataType::kFloat32) {
    return node.invalid("precision must be float32, float16 or bfloat16, not " +
                        std::string(to_string(asked)));
  }
  return DataType::kFloat32;
}

// Attributes that ONNX leaves to defaults are explicit in the core operators.
Status import_quantize(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const DataType type, quantized_type(node));
  PENSTOCK_ASSIGN_OR_RETURN(const DataType precision, quotient_type(node));
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis", 1));
  attributes.set("block_size", node.attributes().get_int("block_size"));
  attributes.set("output_dtype", static_cast<int64_t>(type));
  attributes.set("precision", static_cast<int64_t>(precision));
  attributes.set("saturate", node.attributes().get_int("saturate", 1));
  std::vector<ir::Value*> inputs = node.inputs();
  if (inputs[1]->dtype == DataType::kInt32) {
    PENSTOCK_ASSIGN_OR_RETURN(inputs[1], node.emit("Cast", {inputs[1]}, {{"to", kFloat32}}));
  }
  return node.emit_result("QuantizeLinear", std::move(inputs), std::move(attributes));
}

Status import_dequantize(NodeImporter& node) {
  const int64_t asked = node.attributes().get_int("output_dtype");
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis", 1));
  attributes.set("block_size", node.attributes().get_int("block_size"));
  attributes.set("output_dtype", asked == 0 ? static_cast<int64_t>(node.input(1)->dtype) : asked);
  return node.emit_result("DequantizeLinear", node.inputs(), std::move(attributes));
}

// Input `i` and the scale and zero point behind it as float32. Scales that have the tensor's rank
// broadcast to it.
Result<ir::Value*> emit_dequantized(NodeImporter& node, size_t i, int64_t axis) {
  ir::Value* x = node.input(i);
  ir::Value* scale = node.input(i + 1);
  ir::Value* zero_point = node.input(i + 2);
  if (x == nullptr || scale == nullptr || zero_point == nullptr) {
    return node.invalid("a scale or zero point is missing");
  }
  if (scale->shape.size() < 2) {
    return node.emit("DequantizeLinear", {x, scale, zero_point},
                     {{"axis", axis}, {"block_size", int64_t{0}}, {"output_dtype", kFloat32}});
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * wide, node.emit("Cast", {x}, {{"to", kFloat32}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * zero, node.emit("Cast", {zero_point}, {{"to", kFloat32}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * factor, node.emit("Cast", {scale}, {{"to", kFloat32}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * difference, node.emit("Sub", {wide, zero}));
  return node.emit("Mul", {difference, factor});
}

// The node's output: `result`, float32, quantized by the scale and zero point of inputs 6 and 7.
Status emit_quantized(NodeImporter& node, ir::Value* result) {
  if (node.input(6) == nullptr || node.input(7) == nullptr) {
    return node.invalid("the output's scale or zero point is missing");
  }
  ir::Attributes attributes;
  attributes.set("axis", int64_t{1});
  attributes.set("block_size", int64_t{0});
  attributes.set("output_dtype", static_cast<int64_t>(node.input(7)->dtype));
  attributes.set("precision", kFloat32);
  attributes.set("saturate", int64_t{1});
  return node.emit_result("QuantizeLinear", {result, node.input(6), node.input(7)},
                          std::move(attributes));
}

// Both matrices as floats, which hold every product of their elements, multiplied and quantized.
Status import_qlinear_matmul(NodeImporter& node) {
  const auto rank = [&](size_t i) { return static_cast<int64_t>(node.input(i)->shape.size()); };
  const int64_t row_axis = std::max<int64_t>(rank(0) - 2, 0);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * a, emit_dequantized(node, 0, row_axis));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * b, emit_dequantized(node, 3, rank(3) - 1));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * product, node.emit("MatMul", {a, b}));
  return emit_quantized(node, product);
}

// The bias, int32, has the product of the scales of x and w.
Result<ir::Value*> emit_bias(NodeImporter& node) {
  if (node.input(8) == nullptr) return static_cast<ir::Value*>(nullptr);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * scale, node.emit("Mul", {node.input(1), node.input(4)}));
  return node.emit("DequantizeLinear", {node.input(8), scale},
                   {{"axis", int64_t{0}}, {"block_size", int64_t{0}}, {"output_dtype", kFloat32}});
}

Status import_qlinear_conv(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * x, emit_dequantized(node, 0, 1));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * w, emit_dequantized(node, 3, 0));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * bias, emit_bias(node));
  std::vector<ir::Value*> inputs = {x, w};
  if (bias != nullptr) inputs.push_back(bias);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * result,
                            node.emit("Conv", std::move(inputs), node.attributes()));
  return emit_quantized(node, result);
}

constexpr std::string_view kConvAttributes =
    "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I";

constexpr Rule kRules[] = {
    {"BitCast", 26, {1, 1}, 1, "to:i"},
    {"DequantizeLinear", 10, {2, 3}, 1, "axis:i block_size:i output_dtype:i", import_dequantize},
    {"DynamicQuantizeLinear", 11, {1, 1}, 3},
    {"QLinearConv",
     10,
     {8, 9},
     1,
     kConvAttributes,
     import_qlinear_conv,
     "DequantizeLinear Conv QuantizeLinear Mul Cast Sub"},
    {"QLinearMatMul",
     10,
     {8, 8},
     1,
     "",
     import_qlinear_matmul,
     "DequantizeLinear MatMul QuantizeLinear Mul Cast Sub"},
    {"QuantizeLinear",
     10,
     {2, 3},
     1,
     "axis:i block_size:i output_dtype:i precision:i saturate:i",
     import_quantize,
     "QuantizeLinear Cast"},
};

}  // namespace

RuleList quantization_rules() { return kRules; }

}  // namespace penstock::importer
