// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// True where the Reshape keeps the last axis and merges or splits those before it.
bool keeps_rows(const ir::Node& reshape) {
  const ir::SymbolicShape& from = reshape.inputs[0]->shape;
  const ir::SymbolicShape& to = reshape.outputs[0]->shape;
  return from.size() > 2 && to.size() == 2 && reshape.attributes.has("shape") &&
         from.back() == to.back();
}

bool has_row_bias(const ir::Node& matmul) {
  const ir::Value* bias = matmul.input(2);
  return bias == nullptr || bias->shape.size() <= 1 ||
         (bias->shape.size() == 2 && bias->shape[0].is_constant(1));
}

}  // namespace

// Linear layers on [batch, sequence, features] are exported as Reshape to rows, product, Reshape
// back. The product takes the unreshaped tensor; the Reshapes then meet and vanish.
Status matmul_flattening(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& matmul) {
    if (matmul.op != "MatMul" || matmul.inputs.size() > 3) return;
    const ir::Node* reshape = producer(matmul.inputs[0], "Reshape");
    if (reshape == nullptr || !keeps_rows(*reshape)) return;
    if (matmul.attributes.get_int("trans_a") != 0 || matmul.attributes.has("epilogue")) return;
    if (matmul.inputs[1]->shape.size() != 2 || !has_row_bias(matmul)) return;
    std::vector<ir::Value*> inputs = matmul.inputs;
    inputs[0] = reshape->inputs[0];
    ir::Value* product = rewriter.emit(matmul, matmul, "MatMul", inputs, matmul.attributes);
    if (product == nullptr) return;
    ir::Node back;
    back.op = "Reshape";
    back.name = matmul.name;
    back.inputs = {product};
    back.attributes.set("shape", matmul.outputs[0]->shape);
    back.attributes.set("allowzero", int64_t{1});
    rewriter.replace_node(matmul, std::move(back));
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
