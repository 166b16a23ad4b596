// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tune/tuner.h"

namespace penstock::tune {

// Chooses one candidate for each node of the main region so that the sum of kernel times and of the
// reorders between them is small. Inputs and outputs of the graph are row-major.
//
// Method: from several starts (every node in its fastest form; every node in one layout where it
// has it), nodes take in turn the form that is cheapest given their neighbours' present ones, until
// none moves; the cheapest end is taken (iterated conditional modes, Besag 1986).
class LayoutChoice {
 public:
  LayoutChoice(Tuner& tuner, const ir::Region& region);

  // Index into NodeCandidates::all for each of tuner.nodes(), in order.
  Result<std::vector<size_t>> solve();
  double cost_microseconds() const { return best_cost_; }

 private:
  struct Use {
    size_t node;
    size_t input;
  };

  ir::Layout layout_of(const ir::Value* value, const std::vector<size_t>& choice) const;
  double conversion(const ir::Value* value, ir::Layout from, ir::Layout to);
  double node_cost(size_t node, size_t candidate, const std::vector<size_t>& choice);
  double value_cost(const ir::Value* value, ir::Layout layout, const std::vector<size_t>& choice);
  double total_cost(const std::vector<size_t>& choice);
  std::vector<size_t> start(const ir::Layout* preferred) const;
  void descend(std::vector<size_t>& choice);

  Tuner& tuner_;
  const ir::Region& region_;
  std::vector<size_t> movable_;  // nodes with more than one usable candidate
  std::unordered_map<const ir::Value*, size_t> producer_;
  std::unordered_map<const ir::Value*, std::vector<Use>> uses_;
  std::unordered_map<const ir::Value*, bool> is_output_;
  std::map<std::tuple<const ir::Value*, ir::Layout, ir::Layout>, double> conversions_;
  double best_cost_ = 0;
};

}  // namespace penstock::tune
