// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <memory>
#include <string>

#include "import/functions.h"
#include "import/import.h"
#include "import/order.h"
#include "import/scope.h"
#include "import/symbols.h"
#include "import/tensor.h"
#include "ir/graph.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// Walks one model in execution order, subgraphs and calls of model-local functions included, and
// builds the graph. Every operator is known to have a rule (see support.h).
class GraphImporter {
 public:
  GraphImporter(std::shared_ptr<const onnx::ModelProto> model, std::filesystem::path folder);

  Result<ir::Graph> run(const ChooseShapeInputs& choose);

  ir::Graph& graph() { return graph_; }
  TensorReader& tensors() { return tensors_; }
  // Initializers and nodes of `graph`; its inputs are bound in `scope` already.
  Status import_graph(const onnx::GraphProto& graph, ir::Region& region, Scope& scope);
  // What `name` stands for at a node or output called `user`; null for an omitted optional input.
  Result<ir::Value*> lookup(const Scope& scope, const std::string& name, const std::string& user);

 private:
  Status import_inputs(const onnx::GraphProto& graph, Scope& scope);
  Status plan_values(const ChooseShapeInputs& choose);
  Status import_initializers(const onnx::GraphProto& graph, Scope& scope);
  Status import_nodes(const NodeList& nodes, ir::Region& region, Scope& scope);
  Status import_node(const onnx::NodeProto& node, std::string name, ir::Region& region,
                     Scope& scope);
  Status import_constant(const onnx::NodeProto& node, const std::string& name, Scope& scope);
  Status call(const onnx::FunctionProto& function, const onnx::NodeProto& node,
              const std::string& name, ir::Region& region, Scope& scope);
  Status import_outputs(const onnx::GraphProto& graph, Scope& scope);

  std::shared_ptr<const onnx::ModelProto> model_;
  Functions functions_;
  TensorReader tensors_;
  Symbols symbols_;
  ir::Graph graph_;
  int imported_ = 0;  // nodes looked at, those of loop bodies once for each try
};

}  // namespace penstock::importer
