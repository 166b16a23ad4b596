// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/shared_choice.h"

#include <algorithm>

namespace penstock::tune {
namespace {

// Two measurements of a kernel may differ by a tenth.
constexpr double kNoise = 1.1;

bool same_layouts(const backends::Form& a, const backends::Form& b) {
  return a.inputs == b.inputs && a.outputs == b.outputs;
}

bool has_constants(const ir::Node& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [](const ir::Value* input) {
    return input != nullptr && input->is_constant();
  });
}

}  // namespace

size_t SharedChoice::prefer_taken(const NodeCandidates& node, size_t chosen,
                                  const std::vector<Taken>& taken) const {
  const Candidate& best = node.all[chosen];
  for (const Taken& earlier : taken) {
    for (size_t index : node.usable) {
      const Candidate& candidate = node.all[index];
      if (candidate.tactic == earlier.tactic && candidate.form.config == earlier.form.config &&
          same_layouts(candidate.form, earlier.form) && same_layouts(candidate.form, best.form) &&
          candidate.microseconds <= kNoise * best.microseconds) {
        return index;
      }
    }
  }
  return chosen;
}

void SharedChoice::apply(const std::vector<NodeCandidates>& nodes, std::vector<size_t>& choice) {
  taken_.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!has_constants(*nodes[i].node)) continue;
    choice[i] = prefer_taken(nodes[i], choice[i], taken_[i]);
    const Candidate& candidate = nodes[i].all[choice[i]];
    taken_[i].push_back({candidate.tactic, candidate.form});
  }
}

}  // namespace penstock::tune
