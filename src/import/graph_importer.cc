// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/graph_importer.h"

#include <algorithm>
#include <unordered_set>

#include "import/model_file.h"
#include "import/names.h"
#include "import/node_importer.h"
#include "import/outputs.h"
#include "import/support.h"
#include "import/value_type.h"

namespace penstock::importer {
namespace {

Status invalid(std::string message) { return {StatusCode::kInvalidModel, std::move(message)}; }

// Functions that call functions can grow a small file without bound.
constexpr int kMaxNodes = 2'000'000;

}  // namespace

GraphImporter::GraphImporter(std::shared_ptr<const onnx::ModelProto> model,
                             std::filesystem::path folder)
    : model_(std::move(model)), functions_(*model_), tensors_(model_, std::move(folder)) {}

Result<ir::Graph> GraphImporter::run(const ChooseShapeInputs& choose) {
  PENSTOCK_RETURN_IF_ERROR(check_support(*model_, functions_));
  const onnx::GraphProto& graph = model_->graph();
  PENSTOCK_RETURN_IF_ERROR(check_name(graph.name(), "the graph"));
  graph_.name = graph.name();
  Frame frame;
  frame.opset = static_cast<int>(onnx_opset(model_->opset_import()));
  Scope scope(frame, nullptr);
  PENSTOCK_RETURN_IF_ERROR(import_inputs(graph, scope));
  if (choose) PENSTOCK_RETURN_IF_ERROR(plan_values(choose));
  PENSTOCK_RETURN_IF_ERROR(import_graph(graph, graph_.main, scope));
  PENSTOCK_RETURN_IF_ERROR(import_outputs(graph, scope));
  PENSTOCK_RETURN_IF_ERROR(ir::verify(graph_));
  return std::move(graph_);
}

Status GraphImporter::import_graph(const onnx::GraphProto& graph, ir::Region& region,
                                   Scope& scope) {
  PENSTOCK_RETURN_IF_ERROR(import_initializers(graph, scope));
  return import_nodes(graph.node(), region, scope);
}

Status GraphImporter::import_inputs(const onnx::GraphProto& graph, Scope& scope) {
  // Up to IR version 3 every initializer is an input too: its default, which becomes its value.
  std::unordered_set<std::string_view> constants;
  for (const auto& tensor : graph.initializer()) constants.insert(tensor.name());
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (constants.count(input.name()) != 0) continue;
    PENSTOCK_RETURN_IF_ERROR(check_name(input.name(), "an input"));
    const std::string label = "input '" + input.name() + "' of the model";
    if (input.name().empty()) return invalid("an input of the model has no name");
    if (scope.find_here(input.name()) != nullptr) return invalid(label + " is listed twice");
    if (const std::optional<ir::ElementType> element = held_type(input.type())) {
      const bool optional = input.type().has_optional_type();
      ir::Value* value =
          graph_.add_value(input.name(), optional ? DataType::kOptional : DataType::kSequence, {});
      value->element = element;
      graph_.main.inputs.push_back(value);
      scope.bind(input.name(), {value});
      continue;
    }
    const onnx::TypeProto::Tensor& type = input.type().tensor_type();
    const auto dtype = element_type(type.elem_type());
    if (!dtype) return invalid(label + " has no element type");
    if (!type.has_shape()) {
      return invalid(label + " has no shape: its number of dimensions must be known");
    }
    ir::Value* value =
        graph_.add_value(input.name(), *dtype, symbols_.shape_of(type.shape(), input.name()));
    graph_.main.inputs.push_back(value);
    scope.bind(input.name(), {value});
  }
  return Status::ok();
}

Status GraphImporter::plan_values(const ChooseShapeInputs& choose) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<ir::Value*> inputs, choose(graph_));
  for (ir::Value* input : inputs) {
    const int64_t count = ir::element_count(input->shape).constant();
    input->contents.emplace();
    for (int64_t i = 0; i < count; ++i) {
      input->contents->push_back(symbols_.value_of(input->name, i));
    }
  }
  return Status::ok();
}

Status GraphImporter::import_initializers(const onnx::GraphProto& graph, Scope& scope) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    PENSTOCK_RETURN_IF_ERROR(check_name(tensor.name(), "an initializer"));
    if (scope.find_here(tensor.name()) != nullptr) {
      return invalid("value '" + tensor.name() +
                     "' is defined twice: as an initializer and as an input or initializer");
    }
    PENSTOCK_ASSIGN_OR_RETURN(ir::ConstantRef constant, tensors_.read(tensor, tensor.name()));
    scope.bind(tensor.name(), {graph_.add_constant(tensor.name(), std::move(constant))});
  }
  return Status::ok();
}

Status GraphImporter::import_nodes(const NodeList& nodes, ir::Region& region, Scope& scope) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<size_t> order, execution_order(nodes, scope));
  for (const size_t i : order) {
    const onnx::NodeProto& node = nodes[static_cast<int>(i)];
    PENSTOCK_RETURN_IF_ERROR(check_name(node.name(), "a node"));
    for (const std::string& output : node.output()) {
      PENSTOCK_RETURN_IF_ERROR(check_name(output, "a value"));
    }
    PENSTOCK_RETURN_IF_ERROR(
        import_node(node, scope.frame().prefix + name_of(node, i), region, scope));
    // What no rule computes (the masks and statistics of training) is an error only if used.
    for (const std::string& output : node.output()) {
      if (!output.empty() && scope.find_here(output) == nullptr) {
        scope.bind(output, {nullptr, &node});
      }
    }
  }
  return Status::ok();
}

Status GraphImporter::import_node(const onnx::NodeProto& node, std::string name, ir::Region& region,
                                  Scope& scope) {
  if (is_onnx_domain(node.domain()) && node.op_type() == "Constant") {
    return import_constant(node, name, scope);
  }
  const Implementation found = functions_.find(node, scope.frame().opset);
  if (found.function != nullptr) return call(*found.function, node, name, region, scope);
  if (found.rule == nullptr) {
    return {StatusCode::kInternal, "node '" + name + "': no rule for " + node.op_type()};
  }
  // Every node counts, those of subgraphs and function bodies too, except for Constant nodes and
  // the calls that bodies replace: this is the work a runtime without fusion has.
  ++graph_.onnx_node_count;
  if (++imported_ > kMaxNodes) {
    return invalid("the model has more than " + std::to_string(kMaxNodes) +
                   " nodes once its functions are inlined");
  }
  NodeImporter importer(*this, region, scope, node, *found.rule, std::move(name));
  PENSTOCK_RETURN_IF_ERROR(importer.read());
  return found.rule->import(importer);
}

Result<ir::Value*> GraphImporter::lookup(const Scope& scope, const std::string& name,
                                         const std::string& user) {
  const Binding* binding = scope.find(name);
  if (binding == nullptr) {
    return invalid(user + " uses '" + name + "', which no node, input or initializer defines");
  }
  if (binding->not_computed != nullptr) {
    return Status(StatusCode::kUnsupported, user + " uses '" + name + "', an output of a " +
                                                binding->not_computed->op_type() +
                                                " node that is computed in training only");
  }
  return binding->value;
}

Status GraphImporter::call(const onnx::FunctionProto& function, const onnx::NodeProto& node,
                           const std::string& name, ir::Region& region, Scope& scope) {
  const std::string label = "node '" + name + "' (" + function.name() + ")";
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size()) {
    return invalid(label + ": has more inputs or outputs than the function it calls");
  }
  Frame frame;
  frame.opset = functions_.opset_of(function, scope.frame().opset);
  frame.prefix = name + "/";
  for (const auto& attribute : function.attribute_proto()) {
    frame.attributes.emplace(attribute.name(), &attribute);
  }
  for (const auto& attribute : node.attribute()) {
    if (const auto* value = resolve(attribute, scope.frame().attributes)) {
      frame.attributes.insert_or_assign(attribute.name(), value);
    }
  }
  Scope body(frame, nullptr);
  for (int i = 0; i < function.input_size(); ++i) {
    Binding argument;
    if (i < node.input_size() && !node.input(i).empty()) {
      PENSTOCK_ASSIGN_OR_RETURN(argument.value, lookup(scope, node.input(i), label));
    }
    body.bind(function.input(i), argument);
  }
  PENSTOCK_RETURN_IF_ERROR(import_nodes(function.node(), region, body).with_context(label));
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    const Binding* result = body.find(function.output(i));
    if (result == nullptr) {
      return invalid(label + ": the function does not define its output '" + function.output(i) +
                     "'");
    }
    scope.bind(node.output(i), *result);
  }
  return Status::ok();
}

Status GraphImporter::import_outputs(const onnx::GraphProto& graph, Scope& scope) {
  if (graph.output_size() == 0) return invalid("the model has no outputs");
  std::unordered_set<std::string_view> seen;
  for (const onnx::ValueInfoProto& output : graph.output()) {
    PENSTOCK_RETURN_IF_ERROR(check_name(output.name(), "an output"));
    const std::string label = "output '" + output.name() + "' of the model";
    if (!seen.insert(output.name()).second) return invalid(label + " is listed twice");
    const Binding* binding = scope.find(output.name());
    if (binding == nullptr) return invalid("no node, input or initializer defines " + label);
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * value, lookup(scope, output.name(), "the model"));
    PENSTOCK_RETURN_IF_ERROR(check_output(*value, output.type()).with_context(label));
    PENSTOCK_RETURN_IF_ERROR(add_output(graph_, value, output.name()));
  }
  return Status::ok();
}

}  // namespace penstock::importer
