// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/symbols.h"

namespace penstock::passes {
namespace {

// The input of a Reshape that inserts an axis of extent 1 at `axis`, else null.
ir::Value* without_axis(const ir::Value* value, size_t axis) {
  const ir::Node* reshape = producer(value, "Reshape");
  if (reshape == nullptr || reshape->inputs.size() != 1) return nullptr;
  ir::SymbolicShape shape = value->shape;
  if (axis + 1 >= shape.size() || !shape[axis].is_constant(1)) return nullptr;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return reshape->inputs[0]->shape == shape ? reshape->inputs[0] : nullptr;
}

void rewrite(Rewriter& rewriter, ir::Node& concat) {
  const ir::Value& result = *concat.outputs[0];
  int64_t axis = concat.attributes.get_int("axis");
  if (axis < 0) axis += static_cast<int64_t>(result.shape.size());
  std::vector<ir::Value*> inputs;
  for (const ir::Value* input : concat.inputs) {
    inputs.push_back(without_axis(input, static_cast<size_t>(axis)));
    if (inputs.back() == nullptr || inputs.back()->shape != inputs.front()->shape) return;
  }
  ir::Attributes attributes;
  attributes.set("axis", axis);
  ir::Value* rows = rewriter.emit(concat, concat, "Concat", inputs, attributes);
  if (rows == nullptr) return;
  ir::Node reshape;
  reshape.op = "Reshape";
  reshape.name = concat.name;
  reshape.inputs = {rows};
  reshape.attributes.set("shape", as_attribute(result.shape));
  reshape.attributes.set("allowzero", int64_t{1});
  rewriter.replace_node(concat, std::move(reshape));
}

}  // namespace

// Stacking (Unsqueeze of each part, then Concat along the new axis) is a Concat of the parts and
// one Reshape.
Status concat_reshapes(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op == "Concat" && node.inputs.size() > 1) rewrite(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
