// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/layout_choice.h"

#include <algorithm>
#include <array>
#include <limits>

namespace penstock::tune {
namespace {

using ir::Layout;

constexpr double kImpossible = 1e12;
// A reorder is timed with its tensors in the cache, and two measurements of a kernel may differ by
// a tenth: without a price well above its time, layouts would change back and forth on noise.
constexpr double kReorderFactor = 4;
constexpr double kReorderMicroseconds = 200;
constexpr int kMostSweeps = 30;

const Candidate& candidate_of(const NodeCandidates& node, size_t index) { return node.all[index]; }

}  // namespace

LayoutChoice::LayoutChoice(Tuner& tuner, const ir::Region& region)
    : tuner_(tuner), region_(region) {
  const auto& nodes = tuner.nodes();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ir::Node& node = *nodes[i].node;
    for (const ir::Value* output : node.outputs) {
      if (output != nullptr) producer_[output] = i;
    }
    for (size_t j = 0; j < node.inputs.size(); ++j) {
      if (node.inputs[j] != nullptr && !node.inputs[j]->is_constant()) {
        uses_[node.inputs[j]].push_back({i, j});
      }
    }
    if (nodes[i].usable.size() > 1) movable_.push_back(i);
  }
  for (const ir::Value* output : region.outputs) is_output_[output] = true;
}

Layout LayoutChoice::layout_of(const ir::Value* value, const std::vector<size_t>& choice) const {
  const auto it = producer_.find(value);
  if (it == producer_.end()) return Layout::kPlain;
  const NodeCandidates& node = tuner_.nodes()[it->second];
  for (size_t i = 0; i < node.node->outputs.size(); ++i) {
    if (node.node->outputs[i] == value) {
      return candidate_of(node, choice[it->second]).form.outputs[i];
    }
  }
  return Layout::kPlain;
}

// What a change of layout is priced at.
double LayoutChoice::conversion(const ir::Value* value, Layout from, Layout to) {
  if (from == to) return 0;
  const auto key = std::make_tuple(value, from, to);
  if (auto it = conversions_.find(key); it != conversions_.end()) return it->second;
  const Result<Candidate> reorder = tuner_.reorder(*value, from, to);
  return conversions_[key] = reorder.is_ok()
                                 ? kReorderFactor * reorder->microseconds + kReorderMicroseconds
                                 : kImpossible;
}

// Reorders that the readers of `value` need when it is written in `layout`: each target once.
double LayoutChoice::value_cost(const ir::Value* value, Layout layout,
                                const std::vector<size_t>& choice) {
  std::vector<Layout> wanted;
  if (is_output_.count(value) != 0) wanted.push_back(Layout::kPlain);
  if (const auto it = uses_.find(value); it != uses_.end()) {
    for (const Use& use : it->second) {
      wanted.push_back(
          candidate_of(tuner_.nodes()[use.node], choice[use.node]).form.inputs[use.input]);
    }
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  double cost = 0;
  for (Layout target : wanted) cost += conversion(value, layout, target);
  return cost;
}

// What changes when the node takes this candidate: its own time, and the reorders around it.
double LayoutChoice::node_cost(size_t node, size_t candidate, const std::vector<size_t>& choice) {
  std::vector<size_t> trial = choice;
  trial[node] = candidate;
  const NodeCandidates& facts = tuner_.nodes()[node];
  const Candidate& taken = candidate_of(facts, candidate);
  double cost = taken.microseconds;
  std::vector<const ir::Value*> seen;
  for (const ir::Value* input : facts.node->inputs) {
    if (input == nullptr || input->is_constant()) continue;
    if (std::find(seen.begin(), seen.end(), input) != seen.end()) continue;
    seen.push_back(input);
    cost += value_cost(input, layout_of(input, trial), trial);
  }
  for (size_t i = 0; i < facts.node->outputs.size(); ++i) {
    const ir::Value* output = facts.node->outputs[i];
    if (output != nullptr) cost += value_cost(output, taken.form.outputs[i], trial);
  }
  return cost;
}

double LayoutChoice::total_cost(const std::vector<size_t>& choice) {
  double cost = 0;
  const auto& nodes = tuner_.nodes();
  for (size_t i = 0; i < nodes.size(); ++i) {
    cost += candidate_of(nodes[i], choice[i]).microseconds;
    for (const ir::Value* output : nodes[i].node->outputs) {
      if (output != nullptr) cost += value_cost(output, layout_of(output, choice), choice);
    }
  }
  for (const ir::Value* input : region_.inputs) cost += value_cost(input, Layout::kPlain, choice);
  return cost;
}

// Each node's fastest candidate: among those whose operands are all in `preferred` where it has
// such.
std::vector<size_t> LayoutChoice::start(const Layout* preferred) const {
  std::vector<size_t> choice;
  for (const NodeCandidates& node : tuner_.nodes()) {
    size_t best = node.usable.front();
    double best_cost = std::numeric_limits<double>::max();
    for (size_t index : node.usable) {
      const Candidate& candidate = node.all[index];
      double cost = candidate.microseconds;
      const auto& form = candidate.form;
      const bool matches =
          preferred == nullptr || (!form.outputs.empty() && form.outputs.front() == *preferred &&
                                   (form.inputs.empty() || form.inputs.front() == *preferred));
      if (!matches) cost += kImpossible;
      if (cost < best_cost) {
        best_cost = cost;
        best = index;
      }
    }
    choice.push_back(best);
  }
  return choice;
}

void LayoutChoice::descend(std::vector<size_t>& choice) {
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    bool moved = false;
    const auto visit = [&](size_t node) {
      const NodeCandidates& facts = tuner_.nodes()[node];
      size_t best = choice[node];
      double best_cost = node_cost(node, best, choice);
      for (size_t index : facts.usable) {
        if (index == choice[node]) continue;
        const double cost = node_cost(node, index, choice);
        if (cost < best_cost - 1e-9) {
          best_cost = cost;
          best = index;
        }
      }
      moved = moved || best != choice[node];
      choice[node] = best;
    };
    for (size_t node : movable_) visit(node);
    for (auto it = movable_.rbegin(); it != movable_.rend(); ++it) visit(*it);
    if (!moved) return;
  }
}

Result<std::vector<size_t>> LayoutChoice::solve() {
  std::vector<size_t> best;
  best_cost_ = std::numeric_limits<double>::max();
  constexpr std::array kLayouts = {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8,
                                   Layout::kBlocked16};
  for (size_t i = 0; i <= kLayouts.size(); ++i) {
    std::vector<size_t> choice = start(i == kLayouts.size() ? nullptr : &kLayouts[i]);
    descend(choice);
    const double cost = total_cost(choice);
    if (cost < best_cost_) {
      best_cost_ = cost;
      best = std::move(choice);
    }
  }
  if (best_cost_ >= kImpossible) {
    return Status(StatusCode::kInternal, "no choice of layouts connects all nodes");
  }
  return best;
}

}  // namespace penstock::tune
