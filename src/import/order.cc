// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/order.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace penstock::importer {
namespace {

Status invalid(std::string message) { return {StatusCode::kInvalidModel, std::move(message)}; }

using Visit = std::function<void(const std::string& name)>;

// Names that a graph takes from outside of it.
void visit_free_names(const onnx::GraphProto& graph, const Visit& visit);

// Names that a node uses, those that its subgraphs capture included.
void visit_used_names(const onnx::NodeProto& node, const Visit& visit) {
  for (const std::string& input : node.input()) {
    if (!input.empty()) visit(input);
  }
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit_free_names(attribute.g(), visit);
    for (const onnx::GraphProto& graph : attribute.graphs()) visit_free_names(graph, visit);
  }
}

void visit_free_names(const onnx::GraphProto& graph, const Visit& visit) {
  std::unordered_set<std::string_view> own;
  for (const auto& input : graph.input()) own.insert(input.name());
  for (const auto& initializer : graph.initializer()) own.insert(initializer.name());
  for (const auto& node : graph.node()) own.insert(node.output().begin(), node.output().end());
  const Visit visit_if_free = [&](const std::string& name) {
    if (own.count(name) == 0) visit(name);
  };
  for (const auto& node : graph.node()) visit_used_names(node, visit_if_free);
  for (const auto& output : graph.output()) visit_if_free(output.name());
}

class Sorter {
 public:
  Sorter(const NodeList& nodes, const Scope& scope) : nodes_(nodes), scope_(scope) {}

  Result<std::vector<size_t>> sort() {
    PENSTOCK_RETURN_IF_ERROR(find_producers());
    PENSTOCK_RETURN_IF_ERROR(find_needs());
    std::vector<size_t> order;
    order.reserve(needs_.size());
    if (is_in_order_) {
      for (size_t i = 0; i < needs_.size(); ++i) order.push_back(i);
      return order;
    }
    take_ready_nodes(order);
    if (order.size() != needs_.size()) return describe_cycle(order);
    return order;
  }

 private:
  std::string describe(size_t i) const {
    const onnx::NodeProto& node = nodes_[static_cast<int>(i)];
    return "'" + name_of(node, i) + "' (" + node.op_type() + ")";
  }

  Status find_producers() {
    for (size_t i = 0; i < static_cast<size_t>(nodes_.size()); ++i) {
      for (const std::string& output : nodes_[static_cast<int>(i)].output()) {
        if (output.empty()) continue;
        const auto [it, is_new] = producers_.emplace(output, i);
        if (!is_new) {
          return invalid("value '" + output + "' is defined twice: by node " +
                         describe(it->second) + " and by node " + describe(i));
        }
        if (scope_.find_here(output) != nullptr) {
          return invalid("value '" + output + "' is defined twice: by node " + describe(i) +
                         " and as an input or initializer");
        }
      }
    }
    return Status::ok();
  }

  Status find_needs() {
    needs_.resize(static_cast<size_t>(nodes_.size()));
    for (size_t i = 0; i < needs_.size(); ++i) {
      Status status;
      visit_used_names(nodes_[static_cast<int>(i)], [&](const std::string& name) {
        if (const auto it = producers_.find(name); it != producers_.end()) {
          needs_[i].push_back({it->second, name});
          is_in_order_ = is_in_order_ && it->second < i;
        } else if (status.is_ok() && scope_.find(name) == nullptr) {
          status = invalid("node " + describe(i) + " uses '" + name +
                           "', which no node, input or initializer defines");
        }
      });
      PENSTOCK_RETURN_IF_ERROR(status);
    }
    return Status::ok();
  }

  // Kahn's algorithm; of the nodes that are ready, the first in the file goes first.
  void take_ready_nodes(std::vector<size_t>& order) const {
    std::vector<size_t> missing(needs_.size());
    std::vector<std::vector<size_t>> users(needs_.size());
    std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
    for (size_t i = 0; i < needs_.size(); ++i) {
      missing[i] = needs_[i].size();
      for (const Need& need : needs_[i]) users[need.producer].push_back(i);
      if (missing[i] == 0) ready.push(i);
    }
    while (!ready.empty()) {
      const size_t node = ready.top();
      ready.pop();
      order.push_back(node);
      for (const size_t user : users[node]) {
        if (--missing[user] == 0) ready.push(user);
      }
    }
  }

  // Every node that is not ordered needs another such node: following them ends in a cycle.
  Status describe_cycle(const std::vector<size_t>& order) const {
    std::vector<bool> is_ordered(needs_.size(), false);
    for (const size_t i : order) is_ordered[i] = true;
    size_t node = static_cast<size_t>(std::find(is_ordered.begin(), is_ordered.end(), false) -
                                      is_ordered.begin());
    std::vector<bool> seen(needs_.size(), false);
    const auto unordered_need = [&](size_t i) -> const Need& {
      return *std::find_if(needs_[i].begin(), needs_[i].end(),
                           [&](const Need& need) { return !is_ordered[need.producer]; });
    };
    while (!seen[node]) {
      seen[node] = true;
      node = unordered_need(node).producer;
    }
    std::string path = "node " + describe(node);
    size_t at = node;
    int steps = 0;
    do {
      const Need& need = unordered_need(at);
      at = need.producer;
      if (++steps <= 8) {
        path += " uses '" + std::string(need.value) + "' of node " + describe(at);
        if (at != node) path += ", which";
      }
    } while (at != node);
    return invalid("the graph has a cycle: " + path);
  }

  struct Need {
    size_t producer;
    std::string_view value;
  };

  const NodeList& nodes_;
  const Scope& scope_;
  std::unordered_map<std::string_view, size_t> producers_;
  std::vector<std::vector<Need>> needs_;
  bool is_in_order_ = true;
};

}  // namespace

std::string name_of(const onnx::NodeProto& node, size_t position) {
  return node.name().empty() ? node.op_type() + "_" + std::to_string(position) : node.name();
}

Result<std::vector<size_t>> execution_order(const NodeList& nodes, const Scope& scope) {
  return Sorter(nodes, scope).sort();
}

}  // namespace penstock::importer
