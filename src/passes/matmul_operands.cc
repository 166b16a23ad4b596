// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

bool swaps_last_two(const ir::Node& transpose) {
  std::vector<int64_t> expected(transpose.inputs[0]->shape.size());
  if (expected.size() < 2) return false;
  std::iota(expected.begin(), expected.end(), 0);
  std::swap(expected[expected.size() - 1], expected[expected.size() - 2]);
  return transpose.attributes.get_ints("perm") == expected;
}

void take_transpose(Rewriter& rewriter, ir::Node& matmul, size_t i, std::string_view flag) {
  const ir::Node* transpose = producer(matmul.inputs[i], "Transpose");
  if (transpose == nullptr || !swaps_last_two(*transpose)) return;
  matmul.attributes.set(flag, int64_t{matmul.attributes.get_int(flag) == 0});
  merge_origins(matmul.origins, transpose->origins);
  rewriter.set_input(matmul, i, transpose->inputs[0]);
}

void take_factor(Rewriter& rewriter, ir::Node& matmul) {
  ir::Value* product = matmul.outputs[0];
  ir::Node* user = rewriter.single_user(product);
  if (user == nullptr || (user->op != "Mul" && user->op != "Div")) return;
  if (matmul.inputs.size() > 2 || matmul.attributes.has("epilogue")) return;
  const bool first = user->inputs[0] == product;
  if (user->op == "Div" && !first) return;
  const std::optional<float> factor = scalar_value(user->inputs[first ? 1 : 0]);
  if (!factor || product->shape != user->outputs[0]->shape) return;
  const float alpha = matmul.attributes.get_float("alpha", 1.0f);
  matmul.attributes.set("alpha", user->op == "Mul" ? alpha * *factor : alpha / *factor);
  merge_origins(matmul.origins, user->origins);
  rewriter.replace(user->outputs[0], product);
}

}  // namespace

// Transposes of the last two axes and scalar factors are options of a matrix product.
Status matmul_operands(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op != "MatMul" || !is_floating(node.outputs[0]->dtype)) return;
    take_transpose(rewriter, node, 0, "trans_a");
    take_transpose(rewriter, node, 1, "trans_b");
    take_factor(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
