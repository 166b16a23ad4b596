// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "passes/rewriter.h"

// Patterns over the values of a graph, small enough to be written where they are used:
//
//   const Pattern x = var(0);
//   const Pattern silu = commutative("Mul", x, op("Sigmoid", {x}));
//   if (std::optional<Match> match = silu.find(value, rewriter)) use(match->vars[0]);
namespace penstock::passes {

// What the variables of a pattern stand for, and the nodes it covers, root first.
struct Match {
  std::array<ir::Value*, 6> vars{};
  std::vector<ir::Node*> nodes;
};

class Pattern {
 public:
  using Test = std::function<bool(ir::Value*, Match&)>;
  explicit Pattern(Test test) : test_(std::move(test)) {}

  // Matches the expression that ends in `root`, provided that the nodes it covers lie in one region
  // and that nothing else uses what they compute on the way.
  std::optional<Match> find(ir::Value* root, const Rewriter& rewriter) const;
  // A failed test leaves `match` as it was.
  bool test(ir::Value* value, Match& match) const;

 private:
  Test test_;
};

// Any value; the same one wherever the variable stands.
Pattern var(size_t index);
// As var, for constants.
Pattern constant_var(size_t index);
// A floating constant of one element that is about `expected`.
Pattern scalar(float expected);
// Result 0 of a node with these operands, in this order. A node with more operands does not match.
Pattern op(std::string_view name, std::vector<Pattern> operands);
// Two operands, in either order.
Pattern commutative(std::string_view name, Pattern a, Pattern b);
Pattern either(Pattern a, Pattern b);
// x * factor or x / (1 / factor).
Pattern scaled(Pattern x, float factor);

// The element of a floating constant of one element.
std::optional<float> scalar_value(const ir::Value* value);
bool is_about(std::optional<float> value, float expected);
// The node that computes the value as its output 0, where it is of that operator; else null.
ir::Node* producer(const ir::Value* value, std::string_view op);

}  // namespace penstock::passes
