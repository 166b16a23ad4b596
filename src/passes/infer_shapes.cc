// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <set>

#include "ops/op_definition.h"
#include "passes/pass.h"
#include "passes/symbols.h"

namespace penstock::passes {
namespace {

using Symbols = std::set<std::string, std::less<>>;

void collect(const ir::SymbolicShape& shape, Symbols& symbols) {
  for (const ir::Dim& extent : shape) {
    if (!extent.symbol_name().empty()) symbols.emplace(extent.symbol_name());
  }
}

// A symbol is replaced where it comes from: further on, an extent may differ from it because of a
// broadcast.
Status infer_region(ir::Graph& graph, ir::Region& region, Symbols& seen, Substitutions& found) {
  for (ir::Node& node : region.nodes) {
    std::vector<ir::SymbolicShape> before;
    for (const ir::Value* output : node.outputs) {
      before.push_back(output == nullptr ? ir::SymbolicShape() : output->shape);
    }
    PENSTOCK_RETURN_IF_ERROR(ops::infer_node(graph, node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == nullptr) continue;
      Substitutions known;
      note_substitutions(before[i], node.outputs[i]->shape, known);
      for (auto& entry : known) {
        if (seen.count(entry.first) == 0) found.push_back(std::move(entry));
      }
    }
    for (const ir::SymbolicShape& shape : before) collect(shape, seen);
  }
  return Status::ok();
}

}  // namespace

// Types and shapes again from the front: what earlier passes folded may make more of them known. A
// symbol that turns out to be known is replaced in attributes too, and what they say goes into
// another round.
Status infer_shapes(ir::Graph& graph) {
  constexpr int kMostRounds = 8;
  for (int round = 0; round < kMostRounds; ++round) {
    Substitutions found;
    Symbols seen;
    for (const ir::Value* input : graph.main.inputs) collect(input->shape, seen);
    PENSTOCK_RETURN_IF_ERROR(infer_region(graph, graph.main, seen, found));
    if (found.empty()) break;
    substitute(graph, found);
  }
  return Status::ok();
}

}  // namespace penstock::passes
