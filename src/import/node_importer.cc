// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"

#include <algorithm>

#include "base/half.h"
#include "import/graph_importer.h"
#include "ops/op_definition.h"

namespace penstock::importer {

NodeImporter::NodeImporter(GraphImporter& importer, ir::Region& region, Scope& scope,
                           const onnx::NodeProto& proto, const Rule& rule, std::string name)
    : importer_(importer),
      region_(region),
      scope_(scope),
      proto_(proto),
      rule_(rule),
      name_(std::move(name)) {}

Status NodeImporter::error(StatusCode code, const std::string& message) const {
  return {code, "node '" + name_ + "' (" + proto_.op_type() + "): " + message};
}

Status NodeImporter::read() {
  Result<NodeAttributes> attributes =
      read_attributes(proto_, scope_.frame().attributes, rule_.attributes);
  if (!attributes.is_ok()) return invalid(attributes.status().message());
  attributes_ = std::move(attributes).value();

  for (const std::string& name : proto_.input()) {
    inputs_.push_back(nullptr);
    if (name.empty()) continue;
    PENSTOCK_ASSIGN_OR_RETURN(inputs_.back(),
                              importer_.lookup(scope_, name, "node '" + name_ + "'"));
  }
  while (!inputs_.empty() && inputs_.back() == nullptr) inputs_.pop_back();
  const Arity arity = rule_.inputs;
  const auto count = static_cast<int>(inputs_.size());
  if (count < arity.min || (arity.max != Arity::kAny && count > arity.max)) {
    return invalid("takes " + std::to_string(arity.min) +
                   (arity.max == Arity::kAny ? " or more" : " to " + std::to_string(arity.max)) +
                   " inputs, has " + std::to_string(count));
  }
  for (int i = 0; i < arity.min; ++i) {
    if (inputs_[static_cast<size_t>(i)] == nullptr) {
      return invalid("input " + std::to_string(i) + " is missing");
    }
  }
  if (rule_.outputs != Arity::kAny && proto_.output_size() > rule_.outputs) {
    return invalid("has at most " + std::to_string(rule_.outputs) + " outputs, not " +
                   std::to_string(proto_.output_size()));
  }
  return Status::ok();
}

const onnx::TensorProto* NodeImporter::tensor(std::string_view attribute) const {
  const auto it = attributes_.tensors.find(attribute);
  return it == attributes_.tensors.end() ? nullptr : it->second;
}

const onnx::GraphProto* NodeImporter::subgraph(std::string_view attribute) const {
  const auto it = attributes_.graphs.find(attribute);
  return it == attributes_.graphs.end() ? nullptr : it->second;
}

const onnx::TypeProto* NodeImporter::type(std::string_view attribute) const {
  const auto it = attributes_.types.find(attribute);
  return it == attributes_.types.end() ? nullptr : it->second;
}

bool NodeImporter::wants(size_t i) const {
  return i < output_count() && !proto_.output(static_cast<int>(i)).empty();
}

ir::Graph& NodeImporter::graph() { return importer_.graph(); }

Status NodeImporter::append(ir::Node node) {
  node.origins = {name_};
  return ops::infer_node(graph(), *graph().append(region_, std::move(node)));
}

Result<ir::Value*> NodeImporter::emit(std::string_view op, std::vector<ir::Value*> inputs,
                                      AttributeList attributes) {
  ir::Attributes list;
  for (const auto& [name, value] : attributes) list.set(name, value);
  return emit(op, std::move(inputs), std::move(list));
}

Result<ir::Value*> NodeImporter::emit(std::string_view op, std::vector<ir::Value*> inputs,
                                      ir::Attributes attributes) {
  ir::Node node;
  node.op = op;
  node.name = name_ + "/" + node.op;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  ir::Value* value = graph().add_value(node.name, DataType::kUndefined, {});
  node.outputs = {value};
  PENSTOCK_RETURN_IF_ERROR(append(std::move(node)));
  return value;
}

Status NodeImporter::emit_result(std::string_view op, std::vector<ir::Value*> inputs,
                                 ir::Attributes attributes, size_t outputs) {
  ir::Node node;
  node.op = op;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  return emit_result(std::move(node), outputs);
}

Status NodeImporter::emit_result(ir::Node node, size_t outputs) {
  node.name = name_;
  for (size_t i = 0; i < std::min(outputs, output_count()); ++i) {
    const std::string& name = proto_.output(static_cast<int>(i));
    node.outputs.push_back(name.empty() ? nullptr
                                        : graph().add_value(name, DataType::kUndefined, {}));
    if (!name.empty()) scope_.bind(name, {node.outputs.back()});
  }
  return append(std::move(node));
}

void NodeImporter::alias(size_t i, ir::Value* value) {
  if (wants(i)) scope_.bind(proto_.output(static_cast<int>(i)), {value});
}

ir::Value* NodeImporter::float_constant(float value, DataType dtype) {
  ir::ConstantRef constant;
  if (dtype == DataType::kFloat16) {
    const Half half(value);
    constant = ir::make_constant(dtype, {}, &half);
  } else if (dtype == DataType::kBFloat16) {
    const BFloat16 half(value);
    constant = ir::make_constant(dtype, {}, &half);
  } else if (dtype == DataType::kFloat64) {
    const double wide = value;
    constant = ir::make_constant(dtype, {}, &wide);
  } else {
    constant = ir::make_constant(DataType::kFloat32, {}, &value);
  }
  return graph().add_constant(name_ + "/constant", std::move(constant));
}

ir::Value* NodeImporter::ints(const std::vector<int64_t>& values) {
  return graph().add_int64_constant(values);
}

ir::Value* NodeImporter::int64_constant(int64_t value) {
  return graph().add_constant(name_ + "/constant", ir::make_constant(DataType::kInt64, {}, &value));
}

ir::Value* NodeImporter::bool_constant(bool value) {
  return graph().add_constant(name_ + "/constant", ir::make_constant(DataType::kBool, {}, &value));
}

Result<ir::Value*> NodeImporter::constant(const onnx::TensorProto& tensor) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::ConstantRef constant, importer_.tensors().read(tensor, name_));
  return graph().add_constant(name_ + "/constant", std::move(constant));
}

Result<std::unique_ptr<ir::Region>> NodeImporter::import_body(
    const onnx::GraphProto& body, const std::vector<BodyInput>& inputs) {
  if (static_cast<size_t>(body.input_size()) != inputs.size()) {
    return invalid("its subgraph '" + body.name() + "' has " + std::to_string(body.input_size()) +
                   " inputs, but the node gives it " + std::to_string(inputs.size()));
  }
  auto region = std::make_unique<ir::Region>();
  Scope scope(scope_.frame(), &scope_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = body.input(static_cast<int>(i)).name();
    ir::Value* value = graph().add_value(name, inputs[i].dtype, inputs[i].shape);
    value->element = inputs[i].element;
    region->inputs.push_back(value);
    scope.bind(name, {value});
  }
  PENSTOCK_RETURN_IF_ERROR(importer_.import_graph(body, *region, scope));
  for (const onnx::ValueInfoProto& output : body.output()) {
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * value,
                              importer_.lookup(scope, output.name(), "node '" + name_ + "'"));
    region->outputs.push_back(value);
  }
  return region;
}

Result<std::vector<ir::Value*>> NodeImporter::inline_call(const onnx::GraphProto& body,
                                                          const std::vector<ir::Value*>& inputs) {
  if (static_cast<size_t>(body.input_size()) != inputs.size()) {
    return invalid("its subgraph '" + body.name() + "' has " + std::to_string(body.input_size()) +
                   " inputs, not " + std::to_string(inputs.size()));
  }
  Scope scope(scope_.frame(), &scope_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    scope.bind(body.input(static_cast<int>(i)).name(), {inputs[i]});
  }
  PENSTOCK_RETURN_IF_ERROR(importer_.import_graph(body, region_, scope));
  std::vector<ir::Value*> results;
  for (const onnx::ValueInfoProto& output : body.output()) {
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * value,
                              importer_.lookup(scope, output.name(), "node '" + name_ + "'"));
    results.push_back(value);
  }
  return results;
}

Status NodeImporter::inline_body(const onnx::GraphProto& body) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<ir::Value*> results, inline_call(body, {}));
  if (results.size() < output_count()) {
    return invalid("its subgraph '" + body.name() + "' has too few outputs");
  }
  for (size_t i = 0; i < output_count(); ++i) alias(i, results[i]);
  return Status::ok();
}

Status pass_through(NodeImporter& node) {
  const Rule& rule = node.rule();
  return node.emit_result(rule.core.empty() ? rule.op : rule.core, node.inputs(),
                          node.attributes());
}

}  // namespace penstock::importer
