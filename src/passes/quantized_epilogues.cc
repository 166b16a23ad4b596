// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/epilogue.h"
#include "ops/quantized_product.h"
#include "passes/epilogue_steps.h"
#include "passes/linear.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/quantization.h"

namespace penstock::passes {
namespace {

using ops::EpilogueStep;

// A copy of the node in the place of `root`, which is its last user so far: all that `root` reads
// is computed by then.
ir::Node& grow(Rewriter& rewriter, ir::Node& node, ir::Node& root,
               const std::vector<ir::Node*>& absorbed, const EpilogueText& step) {
  ir::Node grown;
  grown.op = node.op;
  grown.name = node.name;
  grown.inputs = node.inputs;
  grown.attributes = node.attributes;
  if (step.operand != nullptr) grown.inputs.push_back(step.operand);
  const std::string before = node.attributes.get_string("epilogue");
  if (!step.text.empty()) {
    grown.attributes.set("epilogue", before.empty() ? step.text : before + ";" + step.text);
  }
  return rewriter.replace_node(root, std::move(grown), absorbed);
}

// add or mul of a tensor of 8 bits that is dequantized for it.
std::optional<EpilogueText> dequantized_step(const ir::Node& node, const ir::Value* x,
                                             size_t next_input) {
  if ((node.op != "Add" && node.op != "Mul") || node.inputs[0] == node.inputs[1]) {
    return std::nullopt;
  }
  const ir::Value* other = node.inputs[node.inputs[0] == x ? 1 : 0];
  const ir::Node* dequantize = dequantization(other);
  if (dequantize == nullptr ||
      (other->shape != x->shape && !dequantize->inputs[0]->is_constant())) {
    return std::nullopt;
  }
  const TensorScale scale = *tensor_scale(*dequantize);
  EpilogueStep step;
  step.kind = node.op == "Add" ? EpilogueStep::Kind::kAdd : EpilogueStep::Kind::kMul;
  step.input = static_cast<int>(next_input);
  step.a = scale.scale;
  step.b = static_cast<float>(scale.zero_point);
  return EpilogueText{ops::print_epilogue({step}), dequantize->inputs[0]};
}

// What `user` does to `x`, a product's result so far, as a step.
std::optional<EpilogueText> step_of(const ir::Node& user, const ir::Value* x, size_t next_input) {
  if (user.outputs.size() != 1 || user.outputs[0]->shape != x->shape ||
      user.outputs[0]->dtype != x->dtype || user.inputs.empty()) {
    return std::nullopt;
  }
  if (auto step = dequantized_step(user, x, next_input)) return step;
  if (auto step = binary_step(user, x, next_input)) return step;
  return unary_step(user, x);
}

// A factor or an addend for each channel, before anything else happens to the sums, goes into scale
// and bias. True where it did.
bool fold_channels(Rewriter& rewriter, ir::Node& node, ir::Node& user) {
  if ((user.op != "Mul" && user.op != "Add") || node.attributes.has("epilogue")) return false;
  const ir::Value* x = node.outputs[0];
  Linear linear;
  linear.node = &node;
  linear.rank = x->shape.size();
  linear.channel_axis = node.op == "QuantizedConv" ? 1 : linear.rank - 1;
  if (linear.rank == 0 || !x->shape[linear.channel_axis].is_constant()) return false;
  linear.channels = x->shape[linear.channel_axis].constant();
  const auto vector_of = [&](const ir::Value* value, double otherwise) {
    std::optional<std::vector<double>> elements(std::in_place, linear.channels, otherwise);
    if (value == nullptr) return elements;
    elements.reset();
    const Shape whole = {linear.channels};
    if (!value->is_constant() ||
        (value->constant->shape != whole && element_count(value->constant->shape) != 1)) {
      return elements;
    }
    elements = to_doubles(*value->constant);
    elements->resize(linear.channels, elements->front());
    return elements;
  };
  auto operand = per_channel(user.inputs[user.inputs[0] == x ? 1 : 0], linear);
  auto bias = vector_of(node.input(ops::kProductBias), 0.0);
  auto scale = vector_of(node.input(ops::kProductScale), 1.0);
  if (!operand || !bias || !scale || user.outputs[0]->shape != x->shape) return false;
  for (size_t i = 0; i < operand->size(); ++i) {
    if (user.op == "Add") {
      (*bias)[i] += (*operand)[i];
    } else {
      (*bias)[i] *= (*operand)[i];
      (*scale)[i] *= (*operand)[i];
    }
  }
  const auto constant = [&](const char* suffix, const std::vector<double>& elements) {
    return rewriter.graph().add_constant(
        node.name + suffix, ir::constant_of(DataType::kFloat32, {linear.channels}, elements));
  };
  if (user.op == "Mul") rewriter.set_input(node, ops::kProductScale, constant(".scale", *scale));
  if (user.op == "Add" || node.input(ops::kProductBias) != nullptr) {
    rewriter.set_input(node, ops::kProductBias, constant(".bias", *bias));
  }
  return true;
}

// The result quantized, where a DequantizeLinear of equal scale is all that reads it, and what
// reads that goes on in floats: the rounding becomes a step. Null where the result is better stored
// in 8 bits.
ir::Node* absorb_rounding(Rewriter& rewriter, ir::Node& node, ir::Node& quantize) {
  const TensorScale scale = *tensor_scale(quantize);
  ir::Node* dequantize = rewriter.single_user(quantize.outputs[0]);
  if (dequantize == nullptr || dequantize->op != "DequantizeLinear" ||
      scale.dtype == DataType::kFloat8E4M3FN) {
    return nullptr;
  }
  const std::optional<TensorScale> back = tensor_scale(*dequantize);
  ir::Value* rounded = dequantize->outputs[0];
  const ir::Node* next = rewriter.single_user(rounded);
  if (!back || *back != scale || next == nullptr || rounded->dtype != node.outputs[0]->dtype ||
      !step_of(*next, rounded, node.inputs.size())) {
    return nullptr;
  }
  EpilogueStep step;
  step.kind = EpilogueStep::Kind::kRound;
  step.a = scale.scale;
  step.b = scale.low();
  step.c = scale.high();
  return &grow(rewriter, node, *dequantize, {&node, &quantize}, {ops::print_epilogue({step})});
}

void absorb_quantization(Rewriter& rewriter, ir::Node& node, ir::Node& quantize) {
  const TensorScale scale = *tensor_scale(quantize);
  ir::Node& grown = grow(rewriter, node, quantize, {&node}, {});
  grown.attributes.set("output_dtype", static_cast<int64_t>(scale.dtype));
  grown.attributes.set("y_scale", scale.scale);
  if (scale.zero_point != 0) grown.attributes.set("y_zero_point", scale.zero_point);
}

// Absorbs the node's only user; null where it cannot, or where there is nothing more to come.
ir::Node* absorb_user(Rewriter& rewriter, ir::Node& node) {
  ir::Node* user = rewriter.single_user(node.outputs[0]);
  if (user == nullptr) return nullptr;
  if (fold_channels(rewriter, node, *user)) return &grow(rewriter, node, *user, {&node}, {});
  if (user->op == "QuantizeLinear") {
    if (!tensor_scale(*user) || user->inputs[0] != node.outputs[0]) return nullptr;
    if (ir::Node* grown = absorb_rounding(rewriter, node, *user)) return grown;
    absorb_quantization(rewriter, node, *user);
    return nullptr;
  }
  const std::optional<EpilogueText> step = step_of(*user, node.outputs[0], node.inputs.size());
  return step ? &grow(rewriter, node, *user, {&node}, *step) : nullptr;
}

}  // namespace

// What follows a product of 8 bits element by element runs on its sums: factors and biases of
// channels, activations, residuals of 8 bits and of floats, and the quantization of the result.
Status quantized_epilogues(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& first) {
    if (first.op != "QuantizedConv" && first.op != "QuantizedMatMul") return;
    if (!is_floating(first.outputs[0]->dtype)) return;
    ir::Node* node = &first;
    while (node != nullptr) node = absorb_user(rewriter, *node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
