// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/warnings.h"

#include <algorithm>
#include <map>

namespace penstock::compiler {

std::string host_nodes_warning(const tune::Tuner& tuner) {
  if (!tuner.is_mixed()) return "";
  constexpr size_t kMostNames = 8;
  std::map<std::string, int> count_of;
  int nodes = 0;
  int on_host = 0;
  for (const tune::NodeCandidates& candidates : tuner.nodes()) {
    if (tune::is_view(*candidates.node)) continue;  // costs nothing, wherever it is
    ++nodes;
    if (candidates.on_device) continue;
    ++on_host;
    ++count_of[candidates.node->op];
  }
  if (on_host == 0) return "";
  std::vector<std::pair<std::string, int>> ops(count_of.begin(), count_of.end());
  std::stable_sort(ops.begin(), ops.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string names;
  for (size_t i = 0; i < ops.size() && i < kMostNames; ++i) {
    names += (i == 0 ? "" : ", ") + ops[i].first + " (" + std::to_string(ops[i].second) + ")";
  }
  if (ops.size() > kMostNames) names += ", ...";
  return std::to_string(on_host) + " of " + std::to_string(nodes) +
         " nodes run on the CPU: " + names + "; `penstock inspect` shows them";
}

}  // namespace penstock::compiler
