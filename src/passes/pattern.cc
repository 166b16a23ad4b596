// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pattern.h"

#include <algorithm>
#include <cmath>

namespace penstock::passes {

bool Pattern::test(ir::Value* value, Match& match) const {
  const size_t covered = match.nodes.size();
  const auto vars = match.vars;
  if (value != nullptr && test_(value, match)) return true;
  match.nodes.resize(covered);
  match.vars = vars;
  return false;
}

std::optional<Match> Pattern::find(ir::Value* root, const Rewriter& rewriter) const {
  Match match;
  if (!test(root, match) || match.nodes.empty()) return std::nullopt;
  const auto is_covered = [&](const ir::Node* node) {
    return std::find(match.nodes.begin(), match.nodes.end(), node) != match.nodes.end();
  };
  const ir::Node& last = *match.nodes.front();
  for (const ir::Node* node : match.nodes) {
    if (!rewriter.same_region(*node, last)) return std::nullopt;
    if (node == &last) continue;
    for (const ir::Value* output : node->outputs) {
      if (output == nullptr) continue;
      const std::vector<ir::Node*>& users = rewriter.users(output);
      if (rewriter.is_output(output) || !std::all_of(users.begin(), users.end(), is_covered)) {
        return std::nullopt;
      }
    }
  }
  return match;
}

namespace {

Pattern variable(size_t index, bool constant_only) {
  return Pattern([=](ir::Value* value, Match& match) {
    if (constant_only && !value->is_constant()) return false;
    if (match.vars[index] == nullptr) match.vars[index] = value;
    return match.vars[index] == value;
  });
}

}  // namespace

Pattern var(size_t index) { return variable(index, false); }
Pattern constant_var(size_t index) { return variable(index, true); }

Pattern scalar(float expected) {
  return Pattern([=](ir::Value* value, Match&) { return is_about(scalar_value(value), expected); });
}

Pattern op(std::string_view name, std::vector<Pattern> operands) {
  return Pattern([name, operands = std::move(operands)](ir::Value* value, Match& match) {
    ir::Node* node = producer(value, name);
    if (node == nullptr || node->inputs.size() != operands.size()) return false;
    match.nodes.push_back(node);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!operands[i].test(node->inputs[i], match)) return false;
    }
    return true;
  });
}

Pattern commutative(std::string_view name, Pattern a, Pattern b) {
  return either(op(name, {a, b}), op(name, {b, a}));
}

Pattern either(Pattern a, Pattern b) {
  return Pattern([a = std::move(a), b = std::move(b)](ir::Value* value, Match& match) {
    return a.test(value, match) || b.test(value, match);
  });
}

Pattern scaled(Pattern x, float factor) {
  return either(commutative("Mul", x, scalar(factor)), op("Div", {x, scalar(1.0f / factor)}));
}

std::optional<float> scalar_value(const ir::Value* value) {
  if (value == nullptr || !value->is_constant() || !is_floating(value->dtype)) return std::nullopt;
  if (element_count(value->constant->shape) != 1) return std::nullopt;
  return ir::to_floats(*value->constant).front();
}

// Exporters write constants with four to seven digits.
bool is_about(std::optional<float> value, float expected) {
  return value && std::abs(*value - expected) <= 1e-4f * std::abs(expected);
}

ir::Node* producer(const ir::Value* value, std::string_view op) {
  if (value == nullptr || value->producer == nullptr) return nullptr;
  ir::Node* node = value->producer;
  return node->op == op && !node->outputs.empty() && node->outputs[0] == value ? node : nullptr;
}

}  // namespace penstock::passes
