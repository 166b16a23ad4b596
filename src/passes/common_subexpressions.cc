// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "ops/op_definition.h"
#include "passes/pass.h"
#include "passes/rewriter.h"

namespace penstock::passes {
namespace {

// Constants up to this size are compared by their elements; larger ones are weights, and exporters
// share those already.
constexpr size_t kMostComparedBytes = size_t{1} << 20;

class Merger {
 public:
  explicit Merger(Rewriter& rewriter) : rewriter_(rewriter) {}

  // Nodes of a nested region may be the same as one outside, not the other way round.
  void merge_region(ir::Region& region, std::map<std::string, ir::Node*> known) {
    std::vector<ir::Node*> nodes;
    for (ir::Node& node : region.nodes) nodes.push_back(&node);
    for (ir::Node* node : nodes) {
      for (auto& nested : node->regions) merge_region(*nested, known);
      const ops::OpDefinition* definition = ops::find_op(node->op);
      if (definition == nullptr || definition->is_stateful || !node->regions.empty()) continue;
      auto [it, is_new] = known.emplace(key_of(*node), node);
      if (!is_new) merge(*it->second, *node);
    }
  }

 private:
  std::string key_of(const ir::Node& node) {
    std::string key = node.op + ir::to_string(node.attributes);
    for (const ir::Value* output : node.outputs) {
      key += output == nullptr ? "_" : "." + std::string(to_string(output->dtype));
    }
    for (const ir::Value* input : node.inputs) {
      key += input == nullptr ? ",_" : "," + std::to_string(representative(input)->id);
    }
    return key;
  }

  // The first constant seen with the same type and elements.
  const ir::Value* representative(const ir::Value* value) {
    if (!value->is_constant() || value->constant->bytes > kMostComparedBytes ||
        value->dtype == DataType::kString) {
      return value;
    }
    const ir::Constant& constant = *value->constant;
    for (const ir::Value* other : constants_[XXH3_64bits(constant.data, constant.bytes)]) {
      if (other == value ||
          (other->dtype == value->dtype && other->constant->shape == constant.shape &&
           std::memcmp(other->constant->data, constant.data, constant.bytes) == 0)) {
        return other;
      }
    }
    constants_[XXH3_64bits(constant.data, constant.bytes)].push_back(value);
    return value;
  }

  void merge(ir::Node& first, ir::Node& second) {
    for (size_t i = 0; i < second.outputs.size(); ++i) {
      if (second.outputs[i] != nullptr && first.outputs[i] == nullptr) return;
    }
    merge_origins(first.origins, second.origins);
    const std::vector<ir::Value*> from = second.outputs;
    const std::vector<ir::Value*> to = first.outputs;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] != nullptr) rewriter_.replace(from[i], to[i]);
    }
  }

  Rewriter& rewriter_;
  std::map<uint64_t, std::vector<const ir::Value*>> constants_;
};

}  // namespace

// Of nodes that compute the same from the same, keeps the first.
Status common_subexpressions(ir::Graph& graph) {
  Rewriter rewriter(graph);
  Merger(rewriter).merge_region(graph.main, {});
  return rewriter.finish();
}

}  // namespace penstock::passes
