// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/pointwise_program.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// The inputs with their common Transpose taken off, and its permutation.
struct Untransposed {
  std::vector<ir::Value*> inputs;
  std::vector<int64_t> perm;
  bool saves = false;  // a Transpose vanishes, or a product gets an epilogue
};

std::optional<Untransposed> untransposed(const Rewriter& rewriter, const ir::Node& node) {
  Untransposed result;
  size_t transposed = 0;
  for (ir::Value* input : node.inputs) {
    if (input == nullptr) return std::nullopt;
    const ir::Node* transpose = producer(input, "Transpose");
    if (transpose == nullptr) {
      if (!scalar_value(input) || input->shape.size() > node.outputs[0]->shape.size()) {
        return std::nullopt;
      }
      result.inputs.push_back(input);
      continue;
    }
    const std::vector<int64_t> perm = transpose->attributes.get_ints("perm");
    if (perm.empty() || (transposed > 0 && perm != result.perm)) return std::nullopt;
    if (input->shape != node.outputs[0]->shape) return std::nullopt;
    result.perm = perm;
    result.inputs.push_back(transpose->inputs[0]);
    ++transposed;
    const ir::Node* source = transpose->inputs[0]->producer;
    const bool is_linear = source != nullptr && (source->op == "Conv" || source->op == "MatMul");
    const bool dies = rewriter.has_single_use(input);
    result.saves = result.saves || (dies && (is_linear || transposed > 1));
  }
  if (transposed == 0) return std::nullopt;
  return result;
}

}  // namespace

// What works element by element moves in front of the Transposes of its operands: the Transposes
// meet others further on, and a product with its sum can become one node.
Status transpose_sinking(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.outputs.size() != 1 || !ops::pointwise_call(node)) return;
    const std::optional<Untransposed> operands = untransposed(rewriter, node);
    if (!operands || !operands->saves) return;
    ir::Value* result = rewriter.emit(node, node, node.op, operands->inputs, node.attributes);
    if (result == nullptr) return;
    ir::Node transpose;
    transpose.op = "Transpose";
    transpose.name = node.name;
    transpose.inputs = {result};
    transpose.attributes.set("perm", operands->perm);
    rewriter.replace_node(node, std::move(transpose));
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
