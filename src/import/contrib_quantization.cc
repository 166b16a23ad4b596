// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Operators of the domain com.microsoft that ONNX Runtime's quantizer writes: each dequantizes its
// operands, computes in floats and quantizes its result, which the compiler turns into products of
// 8 bits where it can.
#include "import/emitter.h"
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr auto kFloat32 = static_cast<int64_t>(DataType::kFloat32);

// Input `i`, with its scale behind it and then a zero point or none, as float32. Scales that are no
// scalar belong to `axis`.
ir::Value* dequantized(Emitter& emit, const NodeImporter& node, size_t i, int64_t axis = 1) {
  std::vector<ir::Value*> inputs = {node.input(i), node.input(i + 1)};
  if (node.input(i + 2) != nullptr) inputs.push_back(node.input(i + 2));
  return emit("DequantizeLinear", std::move(inputs),
              {{"axis", axis}, {"block_size", int64_t{0}}, {"output_dtype", kFloat32}});
}

// The node's output: float32 elements quantized by the scale of input `i` and the zero point behind
// it, which has `type` where it is absent.
Status emit_quantized(NodeImporter& node, const Emitter& emit, ir::Value* result, size_t i,
                      DataType type) {
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  std::vector<ir::Value*> inputs = {result, node.input(i)};
  if (node.input(i) == nullptr) return node.invalid("the output's scale is missing");
  if (ir::Value* zero_point = node.input(i + 1)) {
    inputs.push_back(zero_point);
    type = zero_point->dtype;
  }
  ir::Attributes attributes;
  attributes.set("axis", int64_t{1});
  attributes.set("block_size", int64_t{0});
  attributes.set("output_dtype", static_cast<int64_t>(type));
  attributes.set("precision", kFloat32);
  attributes.set("saturate", int64_t{1});
  return node.emit_result("QuantizeLinear", std::move(inputs), std::move(attributes));
}

// "com.microsoft::QLinearAdd" -> "Add"
std::string_view operator_within(const NodeImporter& node) {
  constexpr std::string_view kPrefix = "com.microsoft::QLinear";
  return node.rule().op.substr(kPrefix.size());
}

Status import_binary(NodeImporter& node) {
  Emitter emit(node);
  ir::Value* a = dequantized(emit, node, 0);
  ir::Value* b = dequantized(emit, node, 3);
  return emit_quantized(node, emit, emit(operator_within(node), {a, b}), 6, node.input(0)->dtype);
}

Status import_unary(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  if (attributes.get_int("channels_last") != 0) {
    return node.unsupported("channels_last = 1: convert the model with channels in front");
  }
  attributes.erase("channels_last");
  attributes.erase("opset");
  Emitter emit(node);
  ir::Value* x = dequantized(emit, node, 0);
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * y,
                            node.emit(operator_within(node), {x}, std::move(attributes)));
  return emit_quantized(node, emit, y, 3, node.input(0)->dtype);
}

Status import_softmax(NodeImporter& node) {
  const auto rank = static_cast<int64_t>(node.input(0)->shape.size());
  const int64_t axis = node.attributes().get_int("axis", -1);
  if (node.attributes().get_int("opset", 13) < 13 && axis != -1 && axis != rank - 1) {
    return node.unsupported("a softmax over several axes, as before opset 13");
  }
  Emitter emit(node);
  ir::Value* y = emit("Softmax", {dequantized(emit, node, 0)}, {{"axis", axis}});
  return emit_quantized(node, emit, y, 3, node.input(0)->dtype);
}

// The scale and the zero point of the result come first, then three inputs for each tensor.
Status import_concat(NodeImporter& node) {
  Emitter emit(node);
  std::vector<ir::Value*> parts;
  for (size_t i = 2; i + 2 < node.inputs().size(); i += 3) {
    parts.push_back(dequantized(emit, node, i));
  }
  ir::Value* y = emit("Concat", parts, {{"axis", node.attributes().get_int("axis")}});
  return emit_quantized(node, emit, y, 0, node.input(2)->dtype);
}

// alpha * a x b + c, where c is int32 with the product of the scales of a and b. Without a scale of
// its own the result is float32.
Status import_gemm(NodeImporter& node) {
  const bool trans_b = node.attributes().get_int("transB") != 0;
  const float alpha = node.attributes().get_float("alpha", 1.0f);
  Emitter emit(node);
  std::vector<ir::Value*> inputs = {dequantized(emit, node, 0),
                                    dequantized(emit, node, 3, trans_b ? 0 : 1)};
  if (ir::Value* c = node.input(6)) {
    ir::Value* scale = emit("Mul", {node.input(1), node.input(4)});
    if (alpha != 1.0f) scale = emit("Mul", {scale, emit.scalar(alpha, DataType::kFloat32)});
    const auto axis = static_cast<int64_t>(c->shape.size()) - 1;
    inputs.push_back(
        emit("DequantizeLinear", {c, scale},
             {{"axis", axis}, {"block_size", int64_t{0}}, {"output_dtype", kFloat32}}));
  }
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Attributes attributes;
  if (node.attributes().get_int("transA") != 0) attributes.set("trans_a", int64_t{1});
  if (trans_b) attributes.set("trans_b", int64_t{1});
  if (alpha != 1.0f) attributes.set("alpha", alpha);
  if (node.input(7) == nullptr) return node.emit_result("MatMul", inputs, std::move(attributes));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * y, node.emit("MatMul", inputs, std::move(attributes)));
  return emit_quantized(node, emit, y, 7, node.input(0)->dtype);
}

// (a - a_zero_point) x (b - b_zero_point) * a_scale * b_scale + bias
Status import_matmul_integer_to_float(NodeImporter& node) {
  Emitter emit(node);
  std::vector<ir::Value*> factors = {node.input(0), node.input(1), node.input(4), node.input(5)};
  while (factors.back() == nullptr) factors.pop_back();
  ir::Value* sums = emit("MatMulInteger", std::move(factors));
  std::vector<ir::Value*> product = {emit.cast(sums, DataType::kFloat32),
                                     emit("Mul", {node.input(2), node.input(3)})};
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Value* bias = node.input(6);
  if (bias == nullptr) return node.emit_result("Mul", std::move(product));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * scaled, node.emit("Mul", std::move(product)));
  return node.emit_result("Add", {scaled, bias});
}

Status import_dequantize(NodeImporter& node) {
  Emitter emit(node);
  std::vector<ir::Value*> inputs = node.inputs();
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis", 1));
  attributes.set("block_size", node.attributes().get_int("block_size"));
  attributes.set("output_dtype", static_cast<int64_t>(node.input(1)->dtype));
  return node.emit_result("DequantizeLinear", std::move(inputs), std::move(attributes));
}

Status import_quantize(NodeImporter& node) {
  const ir::Value* zero_point = node.input(2);
  const DataType type = zero_point == nullptr ? DataType::kUInt8 : zero_point->dtype;
  ir::Attributes attributes;
  attributes.set("axis", node.attributes().get_int("axis", 1));
  attributes.set("block_size", node.attributes().get_int("block_size"));
  attributes.set("output_dtype", static_cast<int64_t>(type));
  attributes.set("precision", static_cast<int64_t>(node.input(1)->dtype));
  attributes.set("saturate", int64_t{1});
  return node.emit_result("QuantizeLinear", node.inputs(), std::move(attributes));
}

constexpr Rule kRules[] = {
    {"com.microsoft::DequantizeLinear",
     1,
     {2, 3},
     1,
     "axis:i block_size:i",
     import_dequantize,
     "DequantizeLinear"},
    {"com.microsoft::QuantizeLinear",
     1,
     {2, 3},
     1,
     "axis:i block_size:i",
     import_quantize,
     "QuantizeLinear"},
    {"com.microsoft::QLinearAdd",
     1,
     {2, 8},
     1,
     "",
     import_binary,
     "DequantizeLinear QuantizeLinear Add"},
    {"com.microsoft::QLinearMul",
     1,
     {2, 8},
     1,
     "",
     import_binary,
     "DequantizeLinear QuantizeLinear Mul"},
    {"com.microsoft::QLinearSigmoid",
     1,
     {2, 5},
     1,
     "",
     import_unary,
     "DequantizeLinear QuantizeLinear Sigmoid"},
    {"com.microsoft::QLinearLeakyRelu",
     1,
     {2, 5},
     1,
     "alpha:f",
     import_unary,
     "DequantizeLinear QuantizeLinear LeakyRelu"},
    {"com.microsoft::QLinearSoftmax",
     1,
     {2, 5},
     1,
     "axis:i opset:i",
     import_softmax,
     "DequantizeLinear QuantizeLinear Softmax"},
    {"com.microsoft::QLinearAveragePool",
     1,
     {2, 5},
     1,
     "auto_pad:s ceil_mode:i channels_last:i count_include_pad:i kernel_shape:I pads:I strides:I",
     import_unary,
     "DequantizeLinear QuantizeLinear AveragePool"},
    {"com.microsoft::QLinearGlobalAveragePool",
     1,
     {5, 5},
     1,
     "channels_last:i",
     import_unary,
     "DequantizeLinear QuantizeLinear GlobalAveragePool"},
    {"com.microsoft::QLinearConcat",
     1,
     {5, Arity::kAny},
     1,
     "axis:i",
     import_concat,
     "DequantizeLinear QuantizeLinear Concat"},
    {"com.microsoft::QGemm",
     1,
     {6, 9},
     1,
     "alpha:f transA:i transB:i",
     import_gemm,
     "DequantizeLinear QuantizeLinear MatMul Mul"},
    {"com.microsoft::MatMulIntegerToFloat",
     1,
     {4, 7},
     1,
     "",
     import_matmul_integer_to_float,
     "MatMulInteger Mul Add Cast"},
};

}  // namespace

RuleList contrib_quantization_rules() { return kRules; }

}  // namespace penstock::importer
