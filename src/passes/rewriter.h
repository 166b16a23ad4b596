// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "passes/symbols.h"

namespace penstock::passes {

// A graph under rewriting: every edit goes through here, so that users, outputs and places stay
// known. Made anew by each pass. Nodes that lose their last use are removed with all they alone
// needed.
class Rewriter {
 public:
  explicit Rewriter(ir::Graph& graph);

  ir::Graph& graph() { return graph_; }
  // Calls `visit` for the nodes that stood in the graph at the start and still do, in execution
  // order, nested regions after their node.
  template <typename Visit>
  void for_each_node(Visit&& visit) {
    for (ir::Node* node : nodes()) {
      if (is_alive(node)) visit(*node);
    }
  }
  std::vector<ir::Node*> nodes();
  bool is_alive(const ir::Node* node) const { return places_.count(node) != 0; }

  // One entry per use: a node that uses the value twice stands there twice.
  const std::vector<ir::Node*>& users(const ir::Value* value) const;
  bool is_output(const ir::Value* value) const;
  // Used by one node, once, in the region where it is made, and not an output.
  bool has_single_use(const ir::Value* value) const;
  // The node of has_single_use, else null.
  ir::Node* single_user(const ir::Value* value) const;
  bool is_unused(const ir::Value* value) const;
  bool same_region(const ir::Node& a, const ir::Node& b) const;
  ir::Region& region_of(const ir::Node& node) const { return *places_.at(&node).region; }

  // Every use of `from` becomes one of `to`. An output of the graph keeps its name and stays what a
  // node computes: where `from` is one, and `to` is another, an input or a constant, nothing
  // changes and the answer is false.
  bool replace(ir::Value* from, ir::Value* to);
  // The same by way of a Copy in front of `where` where it has to be.
  void replace_or_copy(ir::Value* from, ir::Value* to, ir::Node& where);
  void set_input(ir::Node& node, size_t i, ir::Value* value);
  void set_inputs(ir::Node& node, std::vector<ir::Value*> inputs);

  // Puts a node in front of `where` and infers its one output, made here. Its origins and the name
  // it is derived from are those of `like`. Null, and status() set, where inference fails.
  ir::Value* emit(ir::Node& where, const ir::Node& like, std::string_view op,
                  std::vector<ir::Value*> inputs, ir::Attributes attributes = {});
  // Puts a node in the place of `root`, whose outputs it takes over; name and attributes are the
  // caller's. Origins are those of `root` and `absorbed`, which vanish where nothing else uses
  // them.
  ir::Node& replace_node(ir::Node& root, ir::Node replacement,
                         const std::vector<ir::Node*>& absorbed = {});
  void erase(ir::Node& node);
  // Moves the nodes of `body` in front of `where`.
  void splice(ir::Node& where, ir::Region& body);
  // Removes nodes without uses that the pass leaves behind; true where there were any.
  bool sweep();

  // To be called last: replaces the data-dependent symbols that edits made known. Answers with the
  // first error of emit().
  Status finish();
  const Status& status() const { return status_; }

 private:
  struct Place {
    ir::Region* region;
    ir::NodeIterator at;
  };

  void register_region(ir::Region& region);
  void register_node(ir::Region& region, ir::NodeIterator at);
  void drop_use(ir::Value* value, const ir::Node& user);
  void forget(ir::Node& node, std::vector<ir::Value*>& released);
  void erase_unused_producers(std::vector<ir::Value*> released);

  ir::Graph& graph_;
  std::unordered_map<const ir::Node*, Place> places_;
  std::unordered_map<const ir::Value*, std::vector<ir::Node*>> users_;
  std::unordered_map<const ir::Value*, int> outputs_;
  Substitutions substitutions_;
  Status status_;
};

// Adds the origins that `into` lacks.
void merge_origins(std::vector<std::string>& into, const std::vector<std::string>& from);

}  // namespace penstock::passes
