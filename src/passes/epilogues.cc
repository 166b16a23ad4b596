// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/epilogue_steps.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

std::optional<EpilogueText> step_of(const ir::Node& user, const ir::Node& node) {
  const ir::Value* x = node.outputs[0];
  if (user.outputs.size() != 1 || user.outputs[0]->shape != x->shape ||
      user.outputs[0]->dtype != x->dtype || user.inputs.empty()) {
    return std::nullopt;
  }
  // Where shapes depend on data, convolutions run row-major, and no fast kernel takes operands
  // then.
  const bool takes_operands = node.op == "MatMul" || !ir::is_data_dependent(x->shape);
  // Input 2 is the bias, present or not.
  const size_t next_input = node.inputs.size() < 3 ? 3 : node.inputs.size();
  if (takes_operands) {
    if (std::optional<EpilogueText> step = binary_step(user, x, next_input)) return step;
  }
  return unary_step(user, x);
}

// Absorbs the node's only user; null where it cannot.
ir::Node* absorb_user(Rewriter& rewriter, ir::Node& node) {
  ir::Node* user = rewriter.single_user(node.outputs[0]);
  if (user == nullptr) return nullptr;
  const std::optional<EpilogueText> step = step_of(*user, node);
  if (!step) return nullptr;
  // In the user's place: all that the user reads is computed by then.
  ir::Node fused;
  fused.op = node.op;
  fused.name = node.name;
  fused.inputs = node.inputs;
  fused.attributes = node.attributes;
  if (step->operand != nullptr) {
    if (fused.inputs.size() < 3) fused.inputs.resize(3, nullptr);
    fused.inputs.push_back(step->operand);
  }
  const std::string before = node.attributes.get_string("epilogue");
  fused.attributes.set("epilogue", before.empty() ? step->text : before + ";" + step->text);
  return &rewriter.replace_node(*user, std::move(fused), {&node});
}

}  // namespace

// What follows a convolution or matrix product element by element runs on its result while that is
// still in registers: residual sums, activations, factors.
Status epilogues(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& first) {
    if (first.op != "Conv" && first.op != "ConvTranspose" && first.op != "MatMul") return;
    if (!is_floating(first.outputs[0]->dtype)) return;
    ir::Node* node = &first;
    while (node != nullptr) node = absorb_user(rewriter, *node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
