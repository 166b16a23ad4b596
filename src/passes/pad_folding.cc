// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// The spatial pads of a Pad by zeros, [begin..., end...]; empty where the node is something else.
std::vector<int64_t> zero_pads(const ir::Node& pad) {
  if (pad.attributes.get_string("mode", "constant") != "constant") return {};
  const ir::Value* fill = pad.input(2);
  if (fill != nullptr && scalar_value(fill) != 0.0f) return {};
  if (!pad.attributes.has("pads") || pad.input(1) != nullptr || pad.input(3) != nullptr) return {};
  const size_t rank = pad.inputs[0]->shape.size();
  if (pad.attributes.has("axes") || rank < 3) return {};
  const ir::SymbolicShape all = pad.attributes.get_dims("pads");
  if (all.size() != 2 * rank) return {};
  std::vector<int64_t> spatial;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].is_constant() || all[i].constant() < 0) return {};
    if (i % rank >= 2) {
      spatial.push_back(all[i].constant());
    } else if (all[i].constant() != 0) {
      return {};
    }
  }
  return spatial;
}

bool can_pad(const ir::Node& node) {
  const std::string mode = node.attributes.get_string("auto_pad", "NOTSET");
  if (mode != "NOTSET" && mode != "VALID") return false;
  if (node.op == "Conv") return true;
  if (node.op != "AveragePool" || node.attributes.get_int("ceil_mode") != 0) return false;
  // Elements that the Pad adds count; those that the pool adds only where it says so.
  const std::vector<int64_t> pads = node.attributes.get_ints("pads");
  return node.attributes.get_int("count_include_pad") != 0 ||
         std::all_of(pads.begin(), pads.end(), [](int64_t p) { return p == 0; });
}

}  // namespace

// A Pad by zeros in front of a convolution or an average becomes its padding.
Status pad_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    const ir::Node* pad = producer(node.input(0), "Pad");
    if (pad == nullptr || !can_pad(node)) return;
    const std::vector<int64_t> added = zero_pads(*pad);
    if (added.empty()) return;
    std::vector<int64_t> pads = node.attributes.get_ints("pads");
    pads.resize(added.size());
    for (size_t i = 0; i < pads.size(); ++i) pads[i] += added[i];
    node.attributes.set("pads", pads);
    node.attributes.erase("auto_pad");
    if (node.op == "AveragePool") node.attributes.set("count_include_pad", int64_t{1});
    merge_origins(node.origins, pad->origins);
    rewriter.set_input(node, 0, pad->inputs[0]);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
