// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/attributes.h"
#include "ir/constant.h"
#include "ir/dim.h"
#include "ir/element_type.h"

namespace penstock::ir {

struct Node;
struct Value;

// One SSA value. Graph owns it; nodes point at it. A sequence or an optional is a scalar of type
// kSequence or kOptional, and `element` tells what is in it.
struct Value {
  int id = 0;  // dense, unique in its graph
  std::string name;
  DataType dtype = DataType::kUndefined;
  SymbolicShape shape;
  // Elements of a small integer or bool tensor as extents, row-major, where inference knows them.
  std::optional<std::vector<Dim>> contents;
  std::optional<ElementType> element;  // set for sequences and optionals only
  ConstantRef constant;                // set for constants only
  Node* producer = nullptr;            // null for constants, graph inputs and region inputs

  bool is_constant() const { return constant != nullptr; }
};

// A list of nodes in execution order, with what comes in and what goes out: the main body of a
// graph, or the body of an If, Loop or Scan. Bodies may use values of the regions around them.
struct Region {
  std::vector<Value*> inputs;
  std::vector<Value*> outputs;
  std::list<Node> nodes;
};

struct Node {
  std::string op;  // a core operator: ops/registry.cc lists them
  std::string name;
  std::vector<Value*> inputs;   // null for an optional input that is absent
  std::vector<Value*> outputs;  // null for an optional output that is not wanted
  Attributes attributes;
  std::vector<std::string> origins;  // names of the ONNX nodes this came from
  std::vector<std::unique_ptr<Region>> regions;

  Value* input(size_t i) const { return i < inputs.size() ? inputs[i] : nullptr; }
  Value* output(size_t i = 0) const { return i < outputs.size() ? outputs[i] : nullptr; }
};

using NodeIterator = std::list<Node>::iterator;

// An inference program: values in static single assignment form, nodes in execution order.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  std::string name;
  int onnx_node_count =
      0;  // nodes of the ONNX file, functions inlined: what fusion is measured against
  Region main;

  // A value of the given name, or a derived one where that is taken or empty.
  Value* add_value(std::string_view name, DataType dtype, SymbolicShape shape);
  Value* add_constant(std::string_view name, ConstantRef constant);
  // A scalar or 1-D constant from numbers; names are derived.
  Value* add_float_constant(float value);
  Value* add_int64_constant(const std::vector<int64_t>& values);
  // Gives `value` exactly that name; another value that has it takes a derived one.
  void rename(Value* value, std::string_view name);

  // Inserts a node before `where` and makes it the producer of its outputs.
  NodeIterator insert(Region& region, NodeIterator where, Node node);
  NodeIterator append(Region& region, Node node) {
    return insert(region, region.nodes.end(), std::move(node));
  }
  // Removes a node whose outputs nothing uses any more.
  NodeIterator erase(Region& region, NodeIterator node);
  // Every use of `from`, in all regions and among all outputs, becomes a use of `to`.
  void replace_uses(Value* from, Value* to);
  // For a value that takes the place of an output, whose name is the caller's.
  void swap_names(Value* a, Value* b);

  // Replaces a symbol by what it turned out to be, in all shapes, contents and attributes.
  void substitute_symbol(std::string_view symbol, const Dim& value);
  // A symbol no other value has: "u0", "u1", ... for extents that depend on data.
  Dim fresh_symbol();

  const std::deque<std::unique_ptr<Value>>& values() const { return values_; }
  Value* find_value(std::string_view name) const;

 private:
  std::string unique_name(std::string_view wanted);

  std::deque<std::unique_ptr<Value>> values_;
  std::unordered_map<std::string, Value*> by_name_;
  int next_symbol_ = 0;
  int next_name_ = 0;
};

// True for names made by Graph::fresh_symbol: their values come out of a run, not with the inputs.
bool is_data_dependent_symbol(std::string_view name);
bool mentions(const Dim& dim, std::string_view symbol);
bool is_data_dependent(const Dim& dim);
bool is_data_dependent(const SymbolicShape& shape);

// Calls `visit` for `region` and all regions nested in its nodes, outermost first.
template <typename Visit>
void for_each_region(Region& region, Visit&& visit) {
  visit(region);
  for (Node& node : region.nodes) {
    for (auto& nested : node.regions) for_each_region(*nested, visit);
  }
}

// Who uses each value, regions included; a snapshot that edits make stale.
class Uses {
 public:
  explicit Uses(Graph& graph);
  const std::vector<Node*>& of(const Value* value) const;
  bool is_output(const Value* value) const;  // of the main region or of a nested one
  // Used by exactly one node, once, and not an output.
  bool has_single_use(const Value* value) const;

 private:
  std::unordered_map<const Value*, std::vector<Node*>> nodes_;
  std::unordered_map<const Value*, int> outputs_;
};

// "float32[batch, 3]", "sequence<int64[*]>", "optional<sequence<float32[5]>>".
std::string type_text(const Value& value);

// Checks single assignment, use after definition, producers and shapes; names the first offender.
Status verify(const Graph& graph);

// The graph as text, one line a node. Large constants print as shape and hash.
std::string to_text(const Graph& graph);

}  // namespace penstock::ir
