// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "import/attribute.h"
#include "import/rules.h"
#include "import/scope.h"
#include "ir/graph.h"

namespace penstock::importer {

class GraphImporter;

// Type and shape of an input of a subgraph.
struct BodyInput {
  DataType dtype = DataType::kUndefined;
  ir::SymbolicShape shape;
  std::optional<ir::ElementType> element = {};  // of a sequence or an optional
  std::vector<bool> is_widened = {};            // extents that iterations of a loop change
};

using AttributeList = std::initializer_list<std::pair<std::string_view, ir::Attribute>>;

// One ONNX node on its way into the graph: what a rule reads, and where it emits core nodes. The
// number of inputs is checked, those that the rule demands are there, and attributes are valid.
class NodeImporter {
 public:
  NodeImporter(GraphImporter& importer, ir::Region& region, Scope& scope,
               const onnx::NodeProto& proto, const Rule& rule, std::string name);
  // Reads attributes and inputs and checks them against the rule.
  Status read();

  const Rule& rule() const { return rule_; }
  const std::string& name() const { return name_; }
  int opset() const { return scope_.frame().opset; }
  const ir::Attributes& attributes() const { return attributes_.plain; }
  const onnx::TensorProto* tensor(std::string_view attribute) const;
  const onnx::GraphProto* subgraph(std::string_view attribute) const;
  const onnx::TypeProto* type(std::string_view attribute) const;
  const std::vector<ir::Value*>& inputs() const { return inputs_; }
  ir::Value* input(size_t i) const { return i < inputs_.size() ? inputs_[i] : nullptr; }
  size_t output_count() const { return static_cast<size_t>(proto_.output_size()); }
  bool wants(size_t i) const;  // output i has a name
  // "node 'name' (Op): message"
  Status error(StatusCode code, const std::string& message) const;
  Status unsupported(const std::string& what) const {
    return error(StatusCode::kUnsupported, what);
  }
  Status invalid(const std::string& what) const { return error(StatusCode::kInvalidModel, what); }

  // Appends a core node with one new value, and infers that value's type and shape.
  Result<ir::Value*> emit(std::string_view op, std::vector<ir::Value*> inputs,
                          AttributeList attributes = {});
  Result<ir::Value*> emit(std::string_view op, std::vector<ir::Value*> inputs,
                          ir::Attributes attributes);
  // Appends the core node that computes this node's first `outputs` outputs.
  Status emit_result(std::string_view op, std::vector<ir::Value*> inputs,
                     ir::Attributes attributes = {}, size_t outputs = SIZE_MAX);
  // The same for a node with regions: the outputs of `node` are filled in here.
  Status emit_result(ir::Node node, size_t outputs = SIZE_MAX);
  // Makes output i of this node another name of `value`.
  void alias(size_t i, ir::Value* value);

  // Constants for lowerings.
  ir::Value* float_constant(float value, DataType dtype);  // a scalar, rounded to dtype
  ir::Value* ints(const std::vector<int64_t>& values);     // 1-D, int64
  ir::Value* int64_constant(int64_t value);                // scalars
  ir::Value* bool_constant(bool value);
  Result<ir::Value*> constant(const onnx::TensorProto& tensor);

  // A subgraph as a region.
  Result<std::unique_ptr<ir::Region>> import_body(const onnx::GraphProto& body,
                                                  const std::vector<BodyInput>& inputs);
  // The nodes of a subgraph, put in place of this node; gives what the subgraph gives for `inputs`.
  Result<std::vector<ir::Value*>> inline_call(const onnx::GraphProto& body,
                                              const std::vector<ir::Value*>& inputs);
  // The same for one without inputs, whose outputs are this node's.
  Status inline_body(const onnx::GraphProto& body);
  ir::Graph& graph();

 private:
  Status append(ir::Node node);

  GraphImporter& importer_;
  ir::Region& region_;
  Scope& scope_;
  const onnx::NodeProto& proto_;
  const Rule& rule_;
  std::string name_;
  NodeAttributes attributes_;
  std::vector<ir::Value*> inputs_;
};

}  // namespace penstock::importer
