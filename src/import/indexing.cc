// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// Up to opset 9 the count is an attribute: a list of one in the core operator.
Status import_top_k_1(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  if (!attributes.has("k")) return node.invalid("attribute 'k' is missing");
  attributes.set("k", std::vector<int64_t>{attributes.get_int("k")});
  return node.emit_result("TopK", {node.input(0)}, std::move(attributes));
}

constexpr Rule kRules[] = {
    {"Compress", 9, {2, 2}, 1, "axis:i"},
    {"Gather", 1, {2, 2}, 1, "axis:i"},
    {"GatherElements", 11, {2, 2}, 1, "axis:i"},
    {"GatherND", 11, {2, 2}, 1, "batch_dims:i"},
    {"NonZero", 9, {1, 1}},
    {"OneHot", 9, {3, 3}, 1, "axis:i"},
    {"Scatter", 9, {3, 3}, 1, "axis:i", pass_through, "ScatterElements"},
    {"ScatterElements", 11, {3, 3}, 1, "axis:i reduction:s"},
    {"ScatterND", 11, {3, 3}, 1, "reduction:s"},
    {"TensorScatter", 24, {2, 3}, 1, "axis:i mode:s"},
    {"TopK", 1, {1, 1}, 2, "axis:i k:i", import_top_k_1},
    {"TopK", 10, {2, 2}, 2, "axis:i largest:i sorted:i"},
    {"Unique", 11, {1, 1}, 4, "axis:i sorted:i"},
};

}  // namespace

RuleList indexing_rules() { return kRules; }

}  // namespace penstock::importer
