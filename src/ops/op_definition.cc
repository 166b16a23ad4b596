// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/op_definition.h"

#include <algorithm>

#include "ir/storage.h"

namespace penstock::ops {
namespace {

ValueFacts facts_of(const ir::Value* value) {
  if (value == nullptr) return {};
  return {value->dtype, value->shape, value->contents, value->constant.get(), value->element};
}

bool reads(const ir::Node& node, std::string_view symbol) {
  const auto holds = [&](const std::vector<ir::Dim>& dims) {
    return std::any_of(dims.begin(), dims.end(),
                       [&](const ir::Dim& d) { return ir::mentions(d, symbol); });
  };
  for (const ir::Value* input : node.inputs) {
    if (input != nullptr && (holds(input->shape) || (input->contents && holds(*input->contents)))) {
      return true;
    }
  }
  return std::any_of(node.attributes.all().begin(), node.attributes.all().end(),
                     [&](const auto& attribute) {
                       const auto* dims = std::get_if<ir::SymbolicShape>(&attribute.second);
                       return dims != nullptr && holds(*dims);
                     });
}

// An extent that only the run told, and that this node introduced, may become known when its inputs
// do (a Pad whose sizes were folded): then every other mention of its symbol must change with it.
void learn(ir::Graph& graph, const ir::Node& node, const ir::Value& value,
           const ir::SymbolicShape& shape) {
  if (value.shape.size() != shape.size()) return;
  const ir::SymbolicShape before = value.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    const std::string symbol(before[i].symbol_name());
    if (!ir::is_data_dependent_symbol(symbol) || shape[i] == before[i]) continue;
    if (ir::is_data_dependent_symbol(shape[i].symbol_name()) || reads(node, symbol)) continue;
    graph.substitute_symbol(symbol, shape[i]);
  }
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
  value.element = facts.element;
}

}  // namespace

InferContext::InferContext(ir::Graph& graph, const ir::Node& node) : graph_(graph), node_(node) {
  for (const ir::Value* input : node.inputs) inputs_.push_back(facts_of(input));
  outputs_.resize(node.outputs.size());
}

const std::vector<ir::Dim>* InferContext::contents(size_t i) const {
  return has_input(i) && inputs_[i].contents ? &*inputs_[i].contents : nullptr;
}

const ir::ElementType* InferContext::element(size_t i) const {
  return has_input(i) && inputs_[i].element ? &*inputs_[i].element : nullptr;
}

void InferContext::set_handle(size_t i, DataType dtype, ir::ElementType element) {
  set_output(i, dtype, ir::SymbolicShape());
  if (i < outputs_.size()) outputs_[i].element = std::move(element);
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

namespace {

Status check_inputs(const OpDefinition& definition, const ir::Node& node) {
  const std::string where = "node '" + node.name + "' (" + node.op + "): ";
  const int inputs = static_cast<int>(node.inputs.size());
  if (inputs < definition.min_inputs ||
      (definition.max_inputs >= 0 && inputs > definition.max_inputs)) {
    return {StatusCode::kInvalidModel, where + "takes " + std::to_string(definition.min_inputs) +
                                           " to " + std::to_string(definition.max_inputs) +
                                           " inputs, has " + std::to_string(inputs)};
  }
  for (int i = 0; i < definition.min_inputs; ++i) {
    if (node.inputs[i] == nullptr) {
      return {StatusCode::kInvalidModel, where + "input " + std::to_string(i) + " is missing"};
    }
  }
  for (const ir::Value* input : node.inputs) {
    if (input == nullptr || !input->element || definition.takes_handles) continue;
    return {StatusCode::kInvalidModel, where + "takes tensors, and its input '" + input->name +
                                           "' is " + ir::type_text(*input)};
  }
  return Status::ok();
}

// Shapes known at build time are those of tensors that can be stored.
Status check_extents(const ValueFacts& facts) {
  Shape shape;
  for (const ir::Dim& extent : facts.shape) {
    shape.push_back(extent.is_constant() ? extent.constant() : 1);
  }
  return ir::check_storage(facts.dtype, shape);
}

}  // namespace

Status infer_node(ir::Graph& graph, ir::Node& node) {
  const OpDefinition* definition = find_op(node.op);
  if (definition == nullptr) {
    return {StatusCode::kInternal, "node '" + node.name + "': no core operator '" + node.op + "'"};
  }
  for (auto& region : node.regions) {
    for (ir::Node& nested : region->nodes) PENSTOCK_RETURN_IF_ERROR(infer_node(graph, nested));
  }
  PENSTOCK_RETURN_IF_ERROR(check_inputs(*definition, node));
  InferContext context(graph, node);
  PENSTOCK_RETURN_IF_ERROR(
      definition->infer(context).with_context("node '" + node.name + "' (" + node.op + ")"));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == nullptr) continue;
    PENSTOCK_RETURN_IF_ERROR(check_extents(context.outputs()[i])
                                 .with_context("node '" + node.name + "' (" + node.op + ")"));
    learn(graph, node, *node.outputs[i], context.outputs()[i].shape);
    store(context.outputs()[i], *node.outputs[i]);
  }
  return Status::ok();
}

Status infer_graph(ir::Graph& graph) {
  for (ir::Node& node : graph.main.nodes) PENSTOCK_RETURN_IF_ERROR(infer_node(graph, node));
  return Status::ok();
}

}  // namespace penstock::ops
