// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/op_definition.h"

namespace penstock::ops {
namespace {

ValueFacts facts_of(const ir::Value* value) {
  if (value == nullptr) return {};
  return {value->dtype, value->shape, value->contents, value->constant.get()};
}

// A data-dependent extent keeps the symbol it got the first time, so that inferring one node again
// leaves the shapes after it true.
void store(const ValueFacts& facts, ir::Value& value) {
  ir::SymbolicShape shape = facts.shape;
  if (value.shape.size() == shape.size()) {
    for (size_t i = 0; i < shape.size(); ++i) {
      if (ir::is_data_dependent_symbol(shape[i].symbol_name()) &&
          ir::is_data_dependent_symbol(value.shape[i].symbol_name())) {
        shape[i] = value.shape[i];
      }
    }
  }
  value.dtype = facts.dtype;
  value.shape = std::move(shape);
  value.contents = facts.contents;
}

}  // namespace

InferContext::InferContext(ir::Graph& graph, const ir::Node& node) : graph_(graph), node_(node) {
  for (const ir::Value* input : node.inputs) inputs_.push_back(facts_of(input));
  outputs_.resize(node.outputs.size());
}

const std::vector<ir::Dim>* InferContext::contents(size_t i) const {
  return has_input(i) && inputs_[i].contents ? &*inputs_[i].contents : nullptr;
}

void InferContext::set_output(size_t i, DataType dtype, ir::SymbolicShape shape) {
  if (i >= outputs_.size()) return;
  outputs_[i].dtype = dtype;
  outputs_[i].shape = std::move(shape);
}

void InferContext::set_contents(size_t i, std::vector<ir::Dim> contents) {
  if (i < outputs_.size()) outputs_[i].contents = std::move(contents);
}

std::optional<std::vector<ir::Dim>> InferContext::dims_parameter(std::string_view attribute,
                                                                 size_t i) const {
  if (attributes().has(attribute)) return attributes().get_dims(attribute);
  if (const std::vector<ir::Dim>* known = contents(i)) return *known;
  return std::nullopt;
}

Result<int64_t> InferContext::normalize_axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return Status(
        StatusCode::kInvalidModel,
        "axis " + std::to_string(axis) + " is outside a tensor of rank " + std::to_string(rank));
  }
  return axis < 0 ? axis + rank : axis;
}

Status InferContext::error(const std::string& message) const {
  return {StatusCode::kInvalidModel, message};
}

Status infer_node(ir::Graph& graph, ir::Node& node) {
  const OpDefinition* definition = find_op(node.op);
  if (definition == nullptr) {
    return {StatusCode::kInternal, "node '" + node.name + "': no core operator '" + node.op + "'"};
  }
  for (auto& region : node.regions) {
    for (ir::Node& nested : region->nodes) PENSTOCK_RETURN_IF_ERROR(infer_node(graph, nested));
  }
  const int inputs = static_cast<int>(node.inputs.size());
  if (inputs < definition->min_inputs ||
      (definition->max_inputs >= 0 && inputs > definition->max_inputs)) {
    return {StatusCode::kInvalidModel, "node '" + node.name + "' (" + node.op + "): takes " +
                                           std::to_string(definition->min_inputs) + " to " +
                                           std::to_string(definition->max_inputs) +
                                           " inputs, has " + std::to_string(inputs)};
  }
  for (int i = 0; i < definition->min_inputs; ++i) {
    if (node.inputs[i] == nullptr) {
      return {StatusCode::kInvalidModel, "node '" + node.name + "' (" + node.op + "): input " +
                                             std::to_string(i) + " is missing"};
    }
  }
  InferContext context(graph, node);
  PENSTOCK_RETURN_IF_ERROR(
      definition->infer(context).with_context("node '" + node.name + "' (" + node.op + ")"));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != nullptr) store(context.outputs()[i], *node.outputs[i]);
  }
  return Status::ok();
}

Status infer_graph(ir::Graph& graph) {
  for (ir::Node& node : graph.main.nodes) PENSTOCK_RETURN_IF_ERROR(infer_node(graph, node));
  return Status::ok();
}

}  // namespace penstock::ops
