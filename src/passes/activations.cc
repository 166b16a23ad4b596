// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

const Pattern& x() {
  static const Pattern kX = var(0);
  return kX;
}

Pattern mul(const Pattern& a, const Pattern& b) { return commutative("Mul", a, b); }
Pattern add(const Pattern& a, const Pattern& b) { return commutative("Add", a, b); }

// x * half * gate in any association, half being 1/2 or a division by 2.
Pattern half_times_gate(const Pattern& gate) {
  return either(either(scaled(mul(x(), gate), 0.5f), mul(scaled(x(), 0.5f), gate)),
                mul(x(), scaled(gate, 0.5f)));
}

// x / 2 * (1 + erf(x / sqrt(2)))
Pattern gelu_erf() {
  return half_times_gate(add(op("Erf", {scaled(x(), std::sqrt(0.5f))}), scalar(1)));
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), or with x factored out of the sum.
Pattern gelu_tanh() {
  const float kOuter = std::sqrt(2.0f / static_cast<float>(M_PI));
  const float kInner = 0.044715f;
  const Pattern square = either(op("Pow", {x(), scalar(2)}), mul(x(), x()));
  const Pattern cube = either(op("Pow", {x(), scalar(3)}), mul(x(), square));
  const Pattern sum = either(
      add(x(), either(scaled(cube, kInner), mul(scaled(x(), kInner), square))),
      mul(x(), add(scalar(1), either(scaled(square, kInner), mul(scaled(x(), kInner), x())))));
  const Pattern factored = mul(scaled(x(), kOuter), add(scalar(1), scaled(square, kInner)));
  return half_times_gate(add(op("Tanh", {either(scaled(sum, kOuter), factored)}), scalar(1)));
}

// x * clip(x + 3, 0, 6) / 6 in any association.
Pattern hard_swish() {
  const Pattern clipped = op("Clip", {add(x(), scalar(3)), scalar(0), scalar(6)});
  const float kSixth = 1.0f / 6.0f;
  return either(either(scaled(mul(x(), clipped), kSixth), mul(scaled(x(), kSixth), clipped)),
                mul(x(), scaled(clipped, kSixth)));
}

// Clip(x + 3, 0, 6) / 6, what is left of it without the factor x.
Pattern hard_sigmoid() {
  return scaled(op("Clip", {add(x(), scalar(3)), scalar(0), scalar(6)}), 1.0f / 6.0f);
}

void replace(Rewriter& rewriter, const Match& match, std::string_view op,
             std::vector<std::pair<std::string_view, ir::Attribute>> attributes = {}) {
  ir::Node& root = *match.nodes.front();
  ir::Node activation;
  activation.op = op;
  activation.name = root.name;
  activation.inputs = {match.vars[0]};
  for (auto& [name, value] : attributes) activation.attributes.set(name, std::move(value));
  rewriter.replace_node(root, std::move(activation), match.nodes);
}

// x * sigmoid(x), or x * sigmoid(alpha x).
bool recognise_swish(Rewriter& rewriter, ir::Value* result) {
  static const Pattern kSwish = mul(x(), op("Sigmoid", {x()}));
  if (const std::optional<Match> match = kSwish.find(result, rewriter)) {
    replace(rewriter, *match, "Swish");
    return true;
  }
  static const Pattern kScaled = mul(x(), op("Sigmoid", {mul(x(), constant_var(1))}));
  const std::optional<Match> match = kScaled.find(result, rewriter);
  const std::optional<float> alpha = match ? scalar_value(match->vars[1]) : std::nullopt;
  if (!alpha) return false;
  replace(rewriter, *match, "Swish", {{"alpha", *alpha}});
  return true;
}

// x * HardSigmoid(x) with the slope and offset of HardSwish.
bool recognise_hard_swish(Rewriter& rewriter, ir::Value* result) {
  static const Pattern kGated = mul(x(), op("HardSigmoid", {x()}));
  const std::optional<Match> match = kGated.find(result, rewriter);
  if (!match) return false;
  const ir::Attributes& gate = match->nodes[1]->attributes;
  if (!is_about(gate.get_float("alpha", 0.2f), 1.0f / 6.0f) ||
      !is_about(gate.get_float("beta", 0.5f), 0.5f)) {
    return false;
  }
  replace(rewriter, *match, "HardSwish");
  return true;
}

bool recognise(Rewriter& rewriter, ir::Value* result) {
  struct Known {
    Pattern pattern;
    std::string_view op;
    std::vector<std::pair<std::string_view, ir::Attribute>> attributes;
  };
  static const Known kKnown[] = {
      {gelu_erf(), "Gelu", {}},
      {gelu_tanh(), "Gelu", {{"approximate", std::string("tanh")}}},
      {hard_swish(), "HardSwish", {}},
  };
  for (const Known& known : kKnown) {
    if (const std::optional<Match> match = known.pattern.find(result, rewriter)) {
      replace(rewriter, *match, known.op, known.attributes);
      return true;
    }
  }
  return recognise_swish(rewriter, result) || recognise_hard_swish(rewriter, result);
}

}  // namespace

// GELU, SiLU and the hard forms, which most exporters write out.
Status activations(ir::Graph& graph) {
  Rewriter rewriter(graph);
  const auto is_candidate = [](const ir::Node& node) {
    return (node.op == "Mul" || node.op == "Div") && is_floating(node.outputs[0]->dtype);
  };
  // From the back: of two nested matches the larger one is wanted.
  std::vector<ir::Node*> nodes = rewriter.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    if (rewriter.is_alive(*it) && is_candidate(**it)) recognise(rewriter, (*it)->outputs[0]);
  }
  static const Pattern kHardSigmoid = hard_sigmoid();
  rewriter.for_each_node([&](ir::Node& node) {
    if (!is_candidate(node)) return;
    if (const std::optional<Match> match = kHardSigmoid.find(node.outputs[0], rewriter)) {
      replace(rewriter, *match, "HardSigmoid", {{"alpha", 1.0f / 6.0f}, {"beta", 0.5f}});
    }
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
