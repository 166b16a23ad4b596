// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/epilogue_steps.h"

#include "ops/elementwise/pointwise_program.h"
#include "ops/epilogue.h"

namespace penstock::passes {

std::optional<EpilogueText> binary_step(const ir::Node& node, const ir::Value* x,
                                        size_t next_input) {
  if ((node.op != "Add" && node.op != "Mul") || node.inputs[0] == node.inputs[1]) {
    return std::nullopt;
  }
  ir::Value* operand = node.inputs[node.inputs[0] == x ? 1 : 0];
  if (operand->dtype != x->dtype) return std::nullopt;
  if (!operand->is_constant() && operand->shape != x->shape) return std::nullopt;
  const std::string name = node.op == "Add" ? "add(" : "mul(";
  return EpilogueText{name + std::to_string(next_input) + ")", operand};
}

std::optional<EpilogueText> unary_step(const ir::Node& node, const ir::Value* x) {
  if (node.inputs[0] != x) return std::nullopt;
  std::optional<std::string> call = ops::pointwise_call(node);
  if (!call || call->find("$1") != std::string::npos) return std::nullopt;
  const size_t at = call->find("($0");
  if (at == std::string::npos) return std::nullopt;
  const std::string rest = call->substr(at + 3);
  std::string text = call->substr(0, at);
  if (rest != ")") text += "(" + rest.substr(1);
  if (!ops::parse_epilogue(text).is_ok()) return std::nullopt;
  return EpilogueText{text, nullptr};
}

}  // namespace penstock::passes
