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

// x / sqrt(mean(x^2) + epsilon)
Pattern over_root_mean_square(const Pattern& x) {
  const Pattern square = either(op("Pow", {x, scalar(2)}), op("Mul", {x, x}));
  const Pattern mean_square = commutative("Add", mean(square), constant_var(kEpsilon));
  const Pattern root = op("Sqrt", {mean_square});
  const Pattern inverse = either(either(op("Reciprocal", {root}), op("Div", {scalar(1), root})),
                                 op("Pow", {mean_square, scalar(-0.5f)}));
  return either(op("Div", {x, root}), commutative("Mul", x, inverse));
}

struct Form {
  std::string_view op;
  Pattern pattern;
};

// The longest first. LayerNormalization is RMSNormalization of what the mean is taken from.
std::vector<Form> forms() {
  const Pattern x = var(kX);
  const Pattern normalized = over_root_mean_square(op("Sub", {x, mean(x)}));
  const Pattern by_root = over_root_mean_square(x);
  const Pattern scale = constant_var(kScale);
  return {{"LayerNormalization",
           commutative("Add", commutative("Mul", normalized, scale), constant_var(kBias))},
          {"LayerNormalization", normalized},
          {"RMSNormalization", commutative("Mul", by_root, scale)},
          {"RMSNormalization", by_root}};
}

bool is_row(const ir::Value* value, const ir::Value* x) {
  return value->shape.size() == 1 && value->shape[0] == x->shape.back();
}

void replace(Rewriter& rewriter, std::string_view op, const Match& match) {
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
  } else if (!is_row(scale, x) || (bias != nullptr && !is_row(bias, x))) {
    return;
  }
  ir::Node norm;
  norm.op = op;
  norm.name = root.name;
  norm.inputs = {x, scale};
  if (bias != nullptr) norm.inputs.push_back(bias);
  norm.attributes.set("axis", int64_t{-1});
  norm.attributes.set("epsilon", *epsilon);
  rewriter.replace_node(root, std::move(norm), match.nodes);
}

}  // namespace

// Exporters write LayerNormalization before opset 17, and RMSNormalization before opset 23, as
// means, squares and a root.
Status layer_norm(ir::Graph& graph) {
  Rewriter rewriter(graph);
  for (const Form& form : forms()) {
    rewriter.for_each_node([&](ir::Node& node) {
      if (node.op != "Add" && node.op != "Div" && node.op != "Mul") return;
      if (const std::optional<Match> match = form.pattern.find(node.outputs[0], rewriter)) {
        replace(rewriter, form.op, *match);
      }
    });
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
