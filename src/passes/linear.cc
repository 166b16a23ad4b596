// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/linear.h"

#include <algorithm>

#include "passes/pattern.h"

namespace penstock::passes {
namespace {

std::optional<int64_t> output_channels(const ir::Node& node) {
  const ir::Value* weights = node.input(1);
  if (weights == nullptr || !weights->is_constant() || !is_floating(weights->dtype)) {
    return std::nullopt;
  }
  const Shape& shape = weights->constant->shape;
  if (node.op == "Conv") return shape[0];
  if (node.op == "ConvTranspose") return shape[1] * node.attributes.get_int("group", 1);
  if (node.op != "MatMul" || shape.size() != 2 || node.inputs[0]->shape.size() < 2) {
    return std::nullopt;
  }
  return node.attributes.get_int("trans_b") != 0 ? shape[0] : shape[1];
}

// The channel that each element of the weights belongs to: channel = (i / inner) % extent, plus,
// for a grouped ConvTranspose, the group's first channel.
int64_t channel_of(const ir::Node& node, const Shape& shape, int64_t i) {
  const int64_t count = element_count(shape);
  if (node.op == "Conv") return i / (count / shape[0]);
  if (node.op == "MatMul") {
    return node.attributes.get_int("trans_b") != 0 ? i / shape[1] : i % shape[1];
  }
  const int64_t per_input = count / shape[0];
  const int64_t inputs_per_group = shape[0] / node.attributes.get_int("group", 1);
  return i % per_input / (per_input / shape[1]) + i / per_input / inputs_per_group * shape[1];
}

bool has_plain_bias(const ir::Node& node, int64_t channels) {
  const ir::Value* bias = node.input(2);
  if (node.inputs.size() > 3 || node.attributes.has("epilogue")) return false;
  if (bias == nullptr) return true;
  return bias->is_constant() && bias->constant->shape == Shape{channels};
}

}  // namespace

std::vector<double> to_doubles(const ir::Constant& constant) {
  if (constant.dtype == DataType::kFloat64) {
    const auto elements = constant.as<double>();
    return {elements.begin(), elements.end()};
  }
  const std::vector<float> elements = ir::to_floats(constant);
  return {elements.begin(), elements.end()};
}

std::optional<Linear> find_linear(const ir::Value* value, const Rewriter& rewriter) {
  if (!rewriter.has_single_use(value) || value->producer == nullptr) return std::nullopt;
  Linear linear;
  linear.rank = value->shape.size();
  std::vector<int64_t> perm;
  if (const ir::Node* transpose = producer(value, "Transpose")) {
    perm = transpose->attributes.get_ints("perm");
    value = transpose->inputs[0];
    if (perm.empty() || !rewriter.has_single_use(value)) return std::nullopt;
  }
  linear.node = value->producer;
  if (linear.node == nullptr || linear.node->inputs.size() < 2) return std::nullopt;
  const std::optional<int64_t> channels = output_channels(*linear.node);
  if (!channels || *channels == 0 || !has_plain_bias(*linear.node, *channels)) return std::nullopt;
  linear.channels = *channels;
  linear.channel_axis = linear.node->op == "MatMul" ? linear.rank - 1 : 1;
  if (!perm.empty()) {
    const auto moved =
        std::find(perm.begin(), perm.end(), static_cast<int64_t>(linear.channel_axis));
    linear.channel_axis = static_cast<size_t>(moved - perm.begin());
  }
  return linear;
}

std::optional<std::vector<double>> per_channel(const ir::Value* constant, const Linear& linear) {
  if (constant == nullptr || !constant->is_constant() || !is_floating(constant->dtype)) {
    return std::nullopt;
  }
  const Shape& shape = constant->constant->shape;
  if (shape.size() > linear.rank) return std::nullopt;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool is_channel = i + linear.rank - shape.size() == linear.channel_axis;
    if (shape[i] != 1 && !(is_channel && shape[i] == linear.channels)) return std::nullopt;
  }
  std::vector<double> elements = to_doubles(*constant->constant);
  if (elements.size() == 1) elements.resize(linear.channels, elements.front());
  return elements;
}

void fold_affine(Rewriter& rewriter, const Linear& linear, std::span<const double> scale,
                 std::span<const double> offset) {
  ir::Node& node = *linear.node;
  ir::Graph& graph = rewriter.graph();
  const DataType dtype = node.inputs[1]->dtype;
  std::vector<double> bias(linear.channels, 0.0);
  const bool has_bias = node.input(2) != nullptr;
  if (has_bias) bias = to_doubles(*node.inputs[2]->constant);
  if (!scale.empty()) {
    const ir::Constant& weights = *node.inputs[1]->constant;
    std::vector<double> scaled = to_doubles(weights);
    for (size_t i = 0; i < scaled.size(); ++i) {
      scaled[i] *= scale[channel_of(node, weights.shape, static_cast<int64_t>(i))];
    }
    for (size_t c = 0; c < bias.size(); ++c) bias[c] *= scale[c];
    rewriter.set_input(
        node, 1,
        graph.add_constant(node.inputs[1]->name, ir::constant_of(dtype, weights.shape, scaled)));
  }
  for (size_t c = 0; c < offset.size(); ++c) bias[c] += offset[c];
  if (!has_bias && offset.empty()) return;
  std::vector<ir::Value*> inputs = node.inputs;
  inputs.resize(3, nullptr);
  const std::string name = has_bias ? inputs[2]->name : node.name + ".bias";
  inputs[2] = graph.add_constant(name, ir::constant_of(dtype, {linear.channels}, bias));
  rewriter.set_inputs(node, std::move(inputs));
}

}  // namespace penstock::passes
