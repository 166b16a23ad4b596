// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "passes/linear.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

struct Affine {
  std::vector<double> scale;
  std::vector<double> offset;
};

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias as y = x * scale' + offset'.
std::optional<Affine> affine_of(const ir::Node& norm) {
  if (norm.inputs.size() != 5 || norm.attributes.get_int("training_mode") != 0) return std::nullopt;
  std::vector<double> parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    const ir::Value* value = norm.inputs[i + 1];
    if (value == nullptr || !value->is_constant() || !is_floating(value->dtype)) {
      return std::nullopt;
    }
    parameters[i] = to_doubles(*value->constant);
  }
  const auto& [scale, bias, mean, variance] = parameters;
  const double epsilon = norm.attributes.get_float("epsilon", 1e-5f);
  Affine affine;
  for (size_t c = 0; c < scale.size(); ++c) {
    affine.scale.push_back(scale[c] / std::sqrt(variance[c] + epsilon));
    affine.offset.push_back(bias[c] - mean[c] * affine.scale[c]);
  }
  return affine;
}

void replace_by_mul_and_add(Rewriter& rewriter, ir::Node& norm, const Affine& affine) {
  ir::Value* x = norm.inputs[0];
  if (x->shape.size() < 2) return;
  Shape shape(x->shape.size() - 1, 1);
  shape[0] = static_cast<int64_t>(affine.scale.size());
  const auto constant = [&](std::string_view suffix, const std::vector<double>& elements) {
    return rewriter.graph().add_constant(norm.name + std::string(suffix),
                                         ir::constant_of(x->dtype, shape, elements));
  };
  ir::Value* product = rewriter.emit(norm, norm, "Mul", {x, constant(".scale", affine.scale)});
  if (product == nullptr) return;
  ir::Node sum;
  sum.op = "Add";
  sum.name = norm.name;
  sum.inputs = {product, constant(".offset", affine.offset)};
  sum.outputs = {norm.outputs[0]};
  rewriter.replace_node(norm, std::move(sum));
}

}  // namespace

// BatchNormalization of inference goes into the weights in front of it, else becomes Mul and Add.
Status batchnorm_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& norm) {
    if (norm.op != "BatchNormalization") return;
    const std::optional<Affine> affine = affine_of(norm);
    if (!affine) return;
    const std::optional<Linear> linear = find_linear(norm.inputs[0], rewriter);
    if (linear && linear->channel_axis == 1 &&
        linear->channels == static_cast<int64_t>(affine->scale.size())) {
      fold_affine(rewriter, *linear, affine->scale, affine->offset);
      merge_origins(linear->node->origins, norm.origins);
      rewriter.replace(norm.outputs[0], norm.inputs[0]);
    } else {
      replace_by_mul_and_add(rewriter, norm, *affine);
    }
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
