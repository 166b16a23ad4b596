// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unordered_set>

#include "ir/graph.h"

namespace penstock::passes {

// Values of the main region that depend on nodes whose shapes depend on data, or that have bodies:
// what computes them runs on the host, also where the rest of the model runs on a GPU.
inline std::unordered_set<const ir::Value*> host_values(const ir::Graph& graph) {
  std::unordered_set<const ir::Value*> found;
  for (const ir::Node& node : graph.main.nodes) {
    bool on_host = !node.regions.empty();
    for (const ir::Value* input : node.inputs) {
      if (input != nullptr) on_host |= found.count(input) != 0 || is_data_dependent(input->shape);
    }
    for (const ir::Value* output : node.outputs) {
      if (output != nullptr) on_host |= is_data_dependent(output->shape);
    }
    if (on_host) found.insert(node.outputs.begin(), node.outputs.end());
  }
  return found;
}

}  // namespace penstock::passes
