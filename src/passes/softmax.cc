// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// A reduction of x over one axis that stays as one of extent 1.
Pattern reduced(std::string_view name, Pattern x) {
  return Pattern([name, x = std::move(x)](ir::Value* value, Match& match) {
    ir::Node* node = producer(value, name);
    if (node == nullptr || node->inputs.size() != 1 ||
        node->attributes.get_ints("axes").size() != 1 ||
        node->attributes.get_int("keepdims", 1) == 0) {
      return false;
    }
    match.nodes.push_back(node);
    return x.test(node->inputs[0], match);
  });
}

std::optional<int64_t> reduced_axis(const Match& match, std::string_view name, int64_t rank) {
  std::optional<int64_t> axis;
  for (const ir::Node* node : match.nodes) {
    if (node->op != name) continue;
    axis = node->attributes.get_ints("axes").front();
    if (*axis < 0) *axis += rank;
  }
  return axis;
}

}  // namespace

// exp(x - max(x)) / sum(exp(x - max(x))).
Status softmax(ir::Graph& graph) {
  const Pattern x = var(0);
  const Pattern powers = op("Exp", {op("Sub", {x, reduced("ReduceMax", x)})});
  const Pattern whole = op("Div", {powers, reduced("ReduceSum", powers)});
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op != "Div") return;
    const std::optional<Match> match = whole.find(node.outputs[0], rewriter);
    if (!match) return;
    const auto rank = static_cast<int64_t>(match->vars[0]->shape.size());
    const std::optional<int64_t> axis = reduced_axis(*match, "ReduceMax", rank);
    if (axis != reduced_axis(*match, "ReduceSum", rank)) return;
    ir::Node softmax;
    softmax.op = "Softmax";
    softmax.name = node.name;
    softmax.inputs = {match->vars[0]};
    softmax.attributes.set("axis", *axis);
    rewriter.replace_node(node, std::move(softmax), match->nodes);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
