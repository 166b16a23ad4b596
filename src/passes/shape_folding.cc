// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/op_definition.h"
#include "passes/pass.h"
#include "passes/rewriter.h"
#include "passes/symbols.h"

namespace penstock::passes {
namespace {

// Parameters with known contents become attributes: the chains that computed them die.
void move_parameters(Rewriter& rewriter, ir::Node& node) {
  const ops::OpDefinition* definition = ops::find_op(node.op);
  if (definition == nullptr) return;
  std::vector<ir::Value*> inputs = node.inputs;
  for (const auto& [i, attribute] : definition->parameters) {
    if (i >= inputs.size() || inputs[i] == nullptr || !inputs[i]->contents) continue;
    node.attributes.set(attribute, as_attribute(*inputs[i]->contents));
    inputs[i] = nullptr;
  }
  while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
  if (inputs != node.inputs) rewriter.set_inputs(node, std::move(inputs));
}

// What only changes the shape becomes a Reshape to extents.
void make_reshape(ir::Node& node) {
  if (node.op != "Reshape" && node.op != "Flatten" && node.op != "Squeeze" &&
      node.op != "Unsqueeze") {
    return;
  }
  // An input left over says that the new shape comes out of the run.
  if (node.inputs.size() != 1) return;
  node.op = "Reshape";
  node.attributes = {};
  node.attributes.set("shape", as_attribute(node.outputs[0]->shape));
  // An extent may turn out to be 0 when the graph runs; it is not a request to copy one.
  node.attributes.set("allowzero", int64_t{1});
}

// Extents used as data, not as parameters: computed on the host instead of by a chain of kernels.
void make_extents(Rewriter& rewriter, ir::Node& node) {
  if (node.outputs.size() != 1 || node.inputs.empty() || node.op == "Reshape") return;
  const ir::Value& value = *node.outputs[0];
  if (!value.contents || value.shape.size() > 1 || value.contents->empty()) return;
  if (value.dtype != DataType::kInt64 && value.dtype != DataType::kInt32) return;
  // Only what computes the tensor tells an extent that depends on data: the chain keeps it alive.
  if (ir::is_data_dependent(*value.contents)) return;
  ir::Node extents;
  extents.op = "Extents";
  extents.name = node.name;
  extents.attributes.set("values", as_attribute(*value.contents));
  extents.attributes.set("dtype", static_cast<int64_t>(value.dtype));
  if (value.shape.empty()) extents.attributes.set("scalar", int64_t{1});
  rewriter.replace_node(node, std::move(extents));
}

}  // namespace

// Turns shape arithmetic into extents: Shape-Gather-Concat-Reshape chains end as attributes.
Status shape_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    move_parameters(rewriter, node);
    make_reshape(node);
  });
  rewriter.for_each_node([&](ir::Node& node) { make_extents(rewriter, node); });
  return rewriter.finish();
}

}  // namespace penstock::passes
