// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/tactic.h"
#include "ir/graph.h"

namespace penstock::ops {

// What inference knows of one operand.
struct ValueFacts {
  DataType dtype = DataType::kUndefined;
  ir::SymbolicShape shape;
  std::optional<std::vector<ir::Dim>> contents;  // elements of a small integer tensor, where known
  const ir::Constant* constant = nullptr;        // inputs only
  std::optional<ir::ElementType> element = {};   // what a sequence or an optional holds
};

// The view of a node that a type-and-shape rule works on. Rules read inputs and attributes and set
// every wanted output; errors they return get the node's name in front.
class InferContext {
 public:
  InferContext(ir::Graph& graph, const ir::Node& node);

  const ir::Node& node() const { return node_; }
  const ir::Attributes& attributes() const { return node_.attributes; }
  size_t input_count() const { return inputs_.size(); }
  bool has_input(size_t i) const { return i < inputs_.size() && node_.inputs[i] != nullptr; }
  bool has_output(size_t i) const { return i < outputs_.size() && node_.outputs[i] != nullptr; }
  DataType dtype(size_t i) const { return inputs_[i].dtype; }
  const ir::SymbolicShape& shape(size_t i) const { return inputs_[i].shape; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(inputs_[i].shape.size()); }
  // Elements of input i as extents, or null where they are not known.
  const std::vector<ir::Dim>* contents(size_t i) const;
  const ir::Constant* constant(size_t i) const { return inputs_[i].constant; }

  // What sequence or optional i holds; null for tensors.
  const ir::ElementType* element(size_t i) const;

  void set_output(size_t i, DataType dtype, ir::SymbolicShape shape);
  // A sequence or an optional, by type kSequence or kOptional.
  void set_handle(size_t i, DataType dtype, ir::ElementType element);
  void set_contents(size_t i, std::vector<ir::Dim> contents);
  const std::vector<ValueFacts>& outputs() const { return outputs_; }

  // An extent that only the run tells.
  ir::Dim fresh_symbol() { return graph_.fresh_symbol(); }
  // A parameter that is an attribute after folding, or an input before: `attribute` as extents,
  // else the contents of input i, else nothing.
  std::optional<std::vector<ir::Dim>> dims_parameter(std::string_view attribute, size_t i) const;

  // Attribute "axis" (or `value`) wrapped into [0, rank); an error where outside.
  static Result<int64_t> normalize_axis(int64_t axis, int64_t rank);
  Status error(const std::string& message) const;

 private:
  ir::Graph& graph_;
  const ir::Node& node_;
  std::vector<ValueFacts> inputs_;
  std::vector<ValueFacts> outputs_;
};

// A core operator: everything that Penstock knows of it besides its fast kernels.
struct OpDefinition {
  std::string_view name;
  int min_inputs = 0;
  int max_inputs = 0;  // -1: any number
  int outputs = 1;     // the most outputs; -1: any number
  // Sets type and shape of each output, and contents where they follow from the inputs' contents.
  Status (*infer)(InferContext&) = nullptr;
  // Slow and obvious; the oracle of all other kernels. Inputs and outputs are row-major.
  Status (*reference)(const backends::NodeFacts& node, backends::KernelRun& run) = nullptr;
  // The output's bytes are the input's: the memory planner makes it an alias (Reshape).
  bool is_view = false;
  // Outputs 0 may overwrite input 0 in the reference kernel.
  bool in_place = false;
  // Running it twice need not give the same (random numbers): never folded, never merged.
  bool is_stateful = false;
  // Integer inputs that may stand in an attribute instead: (input, attribute). The shape-folding
  // pass moves them there, as extents, where their contents are known.
  std::vector<std::pair<size_t, std::string_view>> parameters = {};
  // Sequences and optionals go in; all other operators take tensors only.
  bool takes_handles = false;
};

// A core operator, or one that the application registered, by name; null where there is none.
const OpDefinition* find_op(std::string_view name);
// Penstock's own.
std::vector<const OpDefinition*> all_ops();

// Runs the node's rule and stores what it says in the node's outputs (types, shapes, contents).
Status infer_node(ir::Graph& graph, ir::Node& node);
// Infers every node of the graph in order, nested regions included.
Status infer_graph(ir::Graph& graph);

}  // namespace penstock::ops
