// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "ops/movement/box.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// One move of a kernel: between operands, from zeros, or inside the output.
struct MoveStep {
  static constexpr int kZeros = -1;
  static constexpr int kOutput = -2;

  int input = 0;  // or one of the above
  size_t output = 0;
  int64_t x_offset = 0;  // elements
  int64_t y_offset = 0;
  StridedMove move;
};

// A node as moves of elements, in order.
struct MovePlan {
  std::vector<Shape> outputs;  // shapes, in the model's order of axes
  std::vector<MoveStep> steps;

  void add(int input, size_t output, PlacedMove placed);
};

// A tactic that is a plan: Transpose, Concat, Split, Slice, Pad, ... The plan depends on shapes,
// layouts and attributes alone; parameters that come as inputs are refused.
class MoveTactic : public backends::Tactic {
 public:
  // The plan for operands in the layouts that the node says, or why there is none.
  using Planner = Result<MovePlan> (*)(const backends::NodeFacts& node);
  // Offers each of `layouts` that the planner takes, for all operands alike.
  MoveTactic(std::string_view name, Planner planner, std::vector<ir::Layout> layouts)
      : name_(name), planner_(planner), layouts_(std::move(layouts)) {}

  std::string_view name() const override { return name_; }
  backends::Offer offer(const backends::NodeFacts& node) const override;
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override;
  // The moves alone, for other devices.
  Result<MovePlan> plan(const backends::NodeFacts& node) const { return planner_(node); }

 protected:
  std::string_view name_;
  Planner planner_;
  std::vector<ir::Layout> layouts_;
};

// The same for operators that change what an axis is: the layouts of input and output are chosen
// apart.
class FreeLayoutTactic : public MoveTactic {
 public:
  using MoveTactic::MoveTactic;
  backends::Offer offer(const backends::NodeFacts& node) const override;
};

// An error where one of the parameters is an input that only the run knows.
Status need_attributes(const backends::NodeFacts& node,
                       std::initializer_list<std::pair<size_t, std::string_view>> parameters);

}  // namespace penstock::ops
