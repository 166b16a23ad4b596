// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

bool takes_residual(const ir::Node& norm) {
  if (norm.op != "LayerNormalization" || norm.inputs.size() > 3 || norm.outputs.size() != 1) {
    return false;
  }
  for (size_t i = 1; i < norm.inputs.size(); ++i) {
    if (norm.inputs[i] != nullptr && !norm.inputs[i]->is_constant()) return false;
  }
  return true;
}

}  // namespace

// LayerNormalization of a sum computes the sum itself, and hands it on where others want it too.
Status residual_norm(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& norm) {
    if (!takes_residual(norm)) return;
    ir::Value* sum = norm.inputs[0];
    ir::Node* add = producer(sum, "Add");
    if (add == nullptr || !rewriter.same_region(*add, norm)) return;
    if (add->inputs[0]->shape != sum->shape || add->inputs[1]->shape != sum->shape) return;
    ir::Node fused;
    fused.op = norm.op;
    fused.name = norm.name;
    fused.attributes = norm.attributes;
    fused.inputs = {add->inputs[0], norm.inputs[1], norm.input(2), add->inputs[1]};
    if (rewriter.has_single_use(sum)) {
      rewriter.replace_node(norm, std::move(fused), {add});
      return;
    }
    // In the place of the sum, whose other users may come before the norm.
    merge_origins(fused.origins, add->origins);
    merge_origins(fused.origins, norm.origins);
    fused.outputs = {norm.outputs[0], sum};
    norm.outputs.clear();
    rewriter.replace_node(*add, std::move(fused));
    rewriter.erase(norm);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
