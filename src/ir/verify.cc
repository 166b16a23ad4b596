// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <unordered_set>

#include "ir/graph.h"

namespace penstock::ir {
namespace {

Status broken(const std::string& what) {
  return {StatusCode::kInternal, "graph verifier: " + what};
}

class Verifier {
 public:
  Status check_region(const Region& region) {
    for (const Value* input : region.inputs) {
      if (!defined_.insert(input).second)
        return broken("input '" + input->name + "' is defined twice");
    }
    for (const Node& node : region.nodes) PENSTOCK_RETURN_IF_ERROR(check_node(node));
    for (const Value* output : region.outputs) {
      if (output == nullptr || !is_available(output)) {
        return broken("an output of the graph has no definition");
      }
    }
    return Status::ok();
  }

 private:
  bool is_available(const Value* value) const {
    return value->is_constant() || defined_.count(value) != 0;
  }

  Status check_node(const Node& node) {
    for (const Value* input : node.inputs) {
      if (input != nullptr && !is_available(input)) {
        return broken("node '" + node.name + "' (" + node.op + ") uses '" + input->name +
                      "' before its definition");
      }
    }
    for (const auto& region : node.regions) PENSTOCK_RETURN_IF_ERROR(check_region(*region));
    for (const Value* output : node.outputs) {
      if (output == nullptr) continue;
      if (output->producer != &node) {
        return broken("'" + output->name + "' does not know its producer '" + node.name + "'");
      }
      if (output->is_constant()) return broken("node '" + node.name + "' writes a constant");
      if (output->dtype == DataType::kUndefined) {
        return broken("'" + output->name + "' of node '" + node.name + "' has no type");
      }
      const bool is_handle =
          output->dtype == DataType::kSequence || output->dtype == DataType::kOptional;
      if (is_handle != output->element.has_value() || (is_handle && !output->shape.empty())) {
        return broken("'" + output->name + "' of node '" + node.name + "' is " +
                      std::string(to_string(output->dtype)) +
                      ", which does not agree with what it holds");
      }
      if (!defined_.insert(output).second) {
        return broken("'" + output->name + "' is defined twice");
      }
    }
    return Status::ok();
  }

  std::unordered_set<const Value*> defined_;
};

}  // namespace

Status verify(const Graph& graph) { return Verifier().check_region(graph.main); }

}  // namespace penstock::ir
