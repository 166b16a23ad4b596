// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/linear.h"
#include "passes/pass.h"

namespace penstock::passes {
namespace {

void fold(Rewriter& rewriter, ir::Node& node, ir::Value* value, const ir::Value* constant,
          bool is_divisor) {
  const std::optional<Linear> linear = find_linear(value, rewriter);
  if (!linear || value->shape != node.outputs[0]->shape) return;
  // Scaling weights that other nodes use too would store them twice.
  if (rewriter.users(linear->node->inputs[1]).size() != 1) return;
  std::optional<std::vector<double>> scale = per_channel(constant, *linear);
  if (!scale) return;
  for (double& x : *scale) {
    if (is_divisor && x == 0) return;
    x = is_divisor ? 1 / x : x;
  }
  fold_affine(rewriter, *linear, *scale, {});
  merge_origins(linear->node->origins, node.origins);
  rewriter.replace(node.outputs[0], value);
}

}  // namespace

// A constant factor per channel after a convolution or matrix product joins its weights and bias.
Status scale_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if ((node.op != "Mul" && node.op != "Div") || node.inputs.size() != 2) return;
    if (node.inputs[1]->is_constant()) {
      fold(rewriter, node, node.inputs[0], node.inputs[1], node.op == "Div");
    } else if (node.op == "Mul" && node.inputs[0]->is_constant()) {
      fold(rewriter, node, node.inputs[1], node.inputs[0], false);
    }
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
