// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/linear.h"
#include "passes/pass.h"

namespace penstock::passes {
namespace {

void fold(Rewriter& rewriter, ir::Node& node, ir::Value* value, const ir::Value* constant,
          double sign) {
  const std::optional<Linear> linear = find_linear(value, rewriter);
  if (!linear || value->shape != node.outputs[0]->shape) return;
  std::optional<std::vector<double>> offset = per_channel(constant, *linear);
  if (!offset) return;
  for (double& x : *offset) x *= sign;
  fold_affine(rewriter, *linear, {}, *offset);
  merge_origins(linear->node->origins, node.origins);
  rewriter.replace(node.outputs[0], value);
}

}  // namespace

// A constant per channel, added to or taken from a convolution or matrix product, joins its bias.
Status bias_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if ((node.op != "Add" && node.op != "Sub") || node.inputs.size() != 2) return;
    if (node.inputs[1]->is_constant()) {
      fold(rewriter, node, node.inputs[0], node.inputs[1], node.op == "Add" ? 1 : -1);
    } else if (node.op == "Add" && node.inputs[0]->is_constant()) {
      fold(rewriter, node, node.inputs[1], node.inputs[0], 1);
    }
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
