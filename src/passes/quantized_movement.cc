// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/quantization.h"

namespace penstock::passes {
namespace {

// Operators whose result holds elements of input 0 and nothing else. Padding of a MaxPool is never
// the largest.
constexpr std::array<std::string_view, 11> kMoves = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze",    "Transpose",    "Slice",
    "MaxPool", "Copy",    "Gather",  "DepthToSpace", "SpaceToDepth",
};

bool moves_elements(const ir::Node& node) {
  const bool has_one_result = !node.outputs.empty() && node.outputs[0] != nullptr &&
                              std::count(node.outputs.begin(), node.outputs.end(), nullptr) + 1 ==
                                  static_cast<ptrdiff_t>(node.outputs.size());
  return has_one_result && node.input(0) != nullptr &&
         std::find(kMoves.begin(), kMoves.end(), node.op) != kMoves.end();
}

// move(dequantize(x)) becomes dequantize(move(x)). True where it did.
bool move_below(Rewriter& rewriter, ir::Node& node, ir::Node& dequantize,
                std::vector<ir::Value*> inputs, ir::Attributes attributes) {
  ir::Value* moved = rewriter.emit(node, node, node.op, std::move(inputs), node.attributes);
  if (moved == nullptr) return false;
  ir::Node below;
  below.op = "DequantizeLinear";
  below.name = dequantize.name;
  below.inputs = dequantize.inputs;
  below.inputs[0] = moved;
  below.attributes = std::move(attributes);
  rewriter.replace_node(node, std::move(below), {&dequantize});
  return true;
}

bool sink_dequantization(Rewriter& rewriter, ir::Node& node) {
  if (!moves_elements(node)) return false;
  ir::Node* dequantize = producer(node.inputs[0], "DequantizeLinear");
  if (dequantize == nullptr) return false;
  // Floats of 8 bits are moved, not compared.
  if (node.op == "MaxPool" && is_small(dequantize->inputs[0]->dtype)) return false;
  std::vector<ir::Value*> inputs = node.inputs;
  inputs[0] = dequantize->inputs[0];
  if (tensor_scale(*dequantize)) {
    return move_below(rewriter, node, *dequantize, std::move(inputs), dequantize->attributes);
  }
  // One scale for each index of an axis goes where a Transpose takes that axis.
  const std::optional<ConstantScales> scales = constant_scales(*dequantize);
  const std::vector<int64_t> perm = node.attributes.get_ints("perm");
  if (node.op != "Transpose" || !scales || perm.empty()) return false;
  const auto moved = std::find(perm.begin(), perm.end(), scales->axis);
  if (moved == perm.end()) return false;
  ir::Attributes attributes = dequantize->attributes;
  attributes.set("axis", static_cast<int64_t>(moved - perm.begin()));
  return move_below(rewriter, node, *dequantize, std::move(inputs), std::move(attributes));
}

// The same of tensors that share a scale.
bool sink_below_concat(Rewriter& rewriter, ir::Node& concat) {
  if (concat.op != "Concat") return false;
  std::vector<ir::Value*> inputs;
  std::optional<TensorScale> common;
  ir::Node* first = nullptr;
  for (const ir::Value* input : concat.inputs) {
    ir::Node* dequantize = dequantization(input);
    if (dequantize == nullptr) return false;
    const std::optional<TensorScale> scale = tensor_scale(*dequantize);
    if (common && *common != *scale) return false;
    if (first == nullptr) first = dequantize;
    common = scale;
    inputs.push_back(dequantize->inputs[0]);
  }
  return first != nullptr &&
         move_below(rewriter, concat, *first, std::move(inputs), first->attributes);
}

ir::Value* zero_point_constant(Rewriter& rewriter, const std::string& name) {
  return rewriter.graph().add_constant(
      name, ir::constant_of(DataType::kUInt8, {}, std::vector<int64_t>{0}));
}

// What was never negative, stored as int8 less 128, is uint8 without a zero point: products need
// not make up for one, least of all where they pad.
bool prefer_unsigned(Rewriter& rewriter, ir::Node& quantize) {
  if (quantize.op != "QuantizeLinear") return false;
  const std::optional<TensorScale> scale = tensor_scale(quantize);
  ir::Value* stored = quantize.outputs[0];
  if (!scale || scale->dtype != DataType::kInt8 || scale->zero_point != -128 ||
      rewriter.is_output(stored)) {
    return false;
  }
  const std::vector<ir::Node*> users = rewriter.users(stored);
  const bool can = std::all_of(users.begin(), users.end(), [&](ir::Node* user) {
    return user->op == "DequantizeLinear" && user->inputs[0] == stored &&
           tensor_scale(*user) == scale && rewriter.same_region(*user, quantize);
  });
  if (!can) return false;
  ir::Attributes attributes = quantize.attributes;
  attributes.set("output_dtype", static_cast<int64_t>(DataType::kUInt8));
  ir::Value* zero_point = zero_point_constant(rewriter, quantize.name + ".zero_point");
  ir::Value* bytes =
      rewriter.emit(quantize, quantize, "QuantizeLinear",
                    {quantize.inputs[0], quantize.inputs[1], zero_point}, std::move(attributes));
  if (bytes == nullptr) return false;
  for (ir::Node* user : users) {
    rewriter.set_inputs(*user, {bytes, user->inputs[1], zero_point});
  }
  return true;
}

// quantize(dequantize(x)) of equal scales is x.
bool cancel(Rewriter& rewriter, ir::Node& quantize) {
  if (quantize.op != "QuantizeLinear") return false;
  const ir::Node* dequantize = dequantization(quantize.inputs[0]);
  const std::optional<TensorScale> scale = tensor_scale(quantize);
  if (dequantize == nullptr || !scale || *scale != *tensor_scale(*dequantize)) return false;
  return rewriter.replace(quantize.outputs[0], dequantize->inputs[0]);
}

bool is_product(const ir::Node* node) {
  return node != nullptr && (node->op == "QuantizedConv" || node->op == "QuantizedMatMul");
}

// quantize(move(x)) becomes move(quantize(x)) where that brings it to the product that can store
// its result so.
bool lift_quantization(Rewriter& rewriter, ir::Node& quantize) {
  if (quantize.op != "QuantizeLinear" || !tensor_scale(quantize)) return false;
  ir::Node* move = quantize.inputs[0]->producer;
  const bool compares = move != nullptr && move->op == "MaxPool";
  if (move == nullptr || !moves_elements(*move) || move->op == "Gather" ||
      (compares && is_small(quantize.outputs[0]->dtype)) ||
      !rewriter.has_single_use(move->outputs[0]) || !rewriter.has_single_use(move->inputs[0])) {
    return false;
  }
  const ir::Node* source = move->inputs[0]->producer;
  while (source != nullptr && moves_elements(*source)) source = source->inputs[0]->producer;
  if (!is_product(source)) return false;
  std::vector<ir::Value*> inputs = quantize.inputs;
  inputs[0] = move->inputs[0];
  ir::Value* quantized =
      rewriter.emit(*move, quantize, "QuantizeLinear", std::move(inputs), quantize.attributes);
  if (quantized == nullptr) return false;
  ir::Node moved;
  moved.op = move->op;
  moved.name = move->name;
  moved.attributes = move->attributes;
  moved.inputs = move->inputs;
  moved.inputs[0] = quantized;
  rewriter.replace_node(quantize, std::move(moved), {move});
  return true;
}

}  // namespace

// What only moves elements moves those of 8 bits: it stands between QuantizeLinear and
// DequantizeLinear, which come next to what computes.
Status quantized_movement(ir::Graph& graph) {
  Rewriter rewriter(graph);
  bool changed = true;
  while (changed) {
    changed = false;
    rewriter.for_each_node([&](ir::Node& node) {
      changed = prefer_unsigned(rewriter, node) || cancel(rewriter, node) ||
                sink_dequantization(rewriter, node) || sink_below_concat(rewriter, node) ||
                lift_quantization(rewriter, node) || changed;
    });
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
