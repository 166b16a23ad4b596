// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

enum : size_t { kX, kEpsilon, kScale, kBias };

Pattern mean(Pattern x) {
  return Pattern([x = std::move(x)](ir::Value* value, Match& match) {
    ir::Node* node = producer(value, "ReduceMean");
    if (node == nullptr || node->inputs.size() != 1) return false;
    // Over the last axis, which stays as one of extent 1.
    const int64_t rank = static_cast<int64_t>(node->inputs[0]->shape.size());
    const std::vector<int64_t> axes = node->attributes.get_ints("axes");
    if (axes.size() != 1 || (axes[0] != -1 && axes[0] != rank - 1)) return false;
    if (node->attributes.get_int("keepdims", 1) == 0) return false;
    match.nodes.push_back(node);
    return x.test(node->inputs[0], match);
  });
}

// (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias
struct Forms {
  Pattern normalized;
  Pattern full;
};

Forms forms() {
  const Pattern x = var(kX);
  const Pattern centred = op("Sub", {x, mean(x)});
  const Pattern square = either(op("Pow", {centred, scalar(2)}), op("Mul", {centred, centred}));
  const Pattern deviation = op("Sqrt", {commutative("Add", mean(square), constant_var(kEpsilon))});
  const Pattern normalized =
      either(op("Div", {centred, deviation}),
             commutative("Mul", centred,
                         either(op("Reciprocal", {deviation}), op("Div", {scalar(1), deviation}))));
  return {normalized, commutative("Add", commutative("Mul", normalized, constant_var(kScale)),
                                  constant_var(kBias))};
}

bool is_row(const ir::Value* value, const ir::Value* x) {
  return value->shape.size() == 1 && value->shape[0] == x->shape.back();
}

void replace(Rewriter& rewriter, const Match& match) {
  ir::Node& root = *match.nodes.front();
  ir::Value* x = match.vars[kX];
  const std::optional<float> epsilon = scalar_value(match.vars[kEpsilon]);
  if (!epsilon || !is_floating(x->dtype) || !x->shape.back().is_constant()) return;
  ir::Value* scale = match.vars[kScale];
  ir::Value* bias = match.vars[kBias];
  if (scale == nullptr) {
    const int64_t extent = x->shape.back().constant();
    scale = rewriter.graph().add_constant(
        root.name + ".scale",
        ir::constant_of(x->dtype, {extent}, std::vector<double>(extent, 1.0)));
  } else if (!is_row(scale, x) || !is_row(bias, x)) {
    return;
  }
  ir::Node norm;
  norm.op = "LayerNormalization";
  norm.name = root.name;
  norm.inputs = {x, scale};
  if (bias != nullptr) norm.inputs.push_back(bias);
  norm.attributes.set("axis", int64_t{-1});
  norm.attributes.set("epsilon", *epsilon);
  rewriter.replace_node(root, std::move(norm), match.nodes);
}

}  // namespace

// Exporters before opset 17 write LayerNormalization as means, squares and a root.
Status layer_norm(ir::Graph& graph) {
  Rewriter rewriter(graph);
  const Forms known = forms();
  for (const Pattern* form : {&known.full, &known.normalized}) {
    rewriter.for_each_node([&](ir::Node& node) {
      if (node.op != "Add" && node.op != "Div" && node.op != "Mul") return;
      if (const std::optional<Match> match = form->find(node.outputs[0], rewriter)) {
        replace(rewriter, *match);
      }
    });
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
