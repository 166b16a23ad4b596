// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/model_testlib.h"

#include "import/import.h"

namespace penstock::importer {
namespace {

struct AttributeSetter {
  onnx::AttributeProto& to;

  void operator()(int64_t value) const {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(value);
  }
  void operator()(float value) const {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(value);
  }
  void operator()(const char* value) const {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(value);
  }
  void operator()(const std::vector<int64_t>& values) const {
    to.set_type(onnx::AttributeProto::INTS);
    to.mutable_ints()->Add(values.begin(), values.end());
  }
  void operator()(const std::vector<float>& values) const {
    to.set_type(onnx::AttributeProto::FLOATS);
    to.mutable_floats()->Add(values.begin(), values.end());
  }
  void operator()(const onnx::TensorProto& value) const {
    to.set_type(onnx::AttributeProto::TENSOR);
    *to.mutable_t() = value;
  }
  void operator()(const onnx::GraphProto& value) const {
    to.set_type(onnx::AttributeProto::GRAPH);
    *to.mutable_g() = value;
  }
};

}  // namespace

onnx::TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& shape,
                               const std::vector<float>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(kFloat);
  tensor.mutable_dims()->Add(shape.begin(), shape.end());
  tensor.mutable_float_data()->Add(values.begin(), values.end());
  return tensor;
}

onnx::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(kInt64);
  tensor.add_dims(static_cast<int64_t>(values.size()));
  tensor.mutable_int64_data()->Add(values.begin(), values.end());
  return tensor;
}

onnx::ValueInfoProto value_info(const std::string& name, int type, const Extents& shape) {
  onnx::ValueInfoProto info;
  info.set_name(name);
  onnx::TypeProto::Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  tensor.mutable_shape();
  for (const auto& extent : shape) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    if (const auto* size = std::get_if<int64_t>(&extent)) {
      dim.set_dim_value(*size);
    } else if (const std::string name = std::get<const char*>(extent); !name.empty()) {
      dim.set_dim_param(name);
    }
  }
  return info;
}

onnx::NodeProto make_node(const std::string& op, const Names& inputs, const Names& outputs,
                          const AttributeValues& attributes, const std::string& name) {
  onnx::NodeProto node;
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  for (const std::string& output : outputs) node.add_output(output);
  for (const auto& [key, value] : attributes) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(key);
    std::visit(AttributeSetter{attribute}, value);
  }
  return node;
}

ModelBuilder::ModelBuilder(int64_t opset) {
  proto.set_ir_version(8);
  proto.add_opset_import()->set_version(opset);
  proto.mutable_graph()->set_name("test");
}

ModelBuilder& ModelBuilder::input(const std::string& name, const Extents& shape, int type) {
  *proto.mutable_graph()->add_input() = value_info(name, type, shape);
  return *this;
}

ModelBuilder& ModelBuilder::initializer(onnx::TensorProto tensor) {
  *proto.mutable_graph()->add_initializer() = std::move(tensor);
  return *this;
}

ModelBuilder& ModelBuilder::node(const std::string& op, const Names& inputs, const Names& outputs,
                                 const AttributeValues& attributes, const std::string& name) {
  *proto.mutable_graph()->add_node() = make_node(op, inputs, outputs, attributes, name);
  return *this;
}

ModelBuilder& ModelBuilder::output(const std::string& name) {
  proto.mutable_graph()->add_output()->set_name(name);
  return *this;
}

ModelBuilder& ModelBuilder::output(const std::string& name, const Extents& shape, int type) {
  *proto.mutable_graph()->add_output() = value_info(name, type, shape);
  return *this;
}

Result<ir::Graph> import_bytes(const std::string& bytes, const std::string& folder) {
  return import_onnx_from_memory(std::as_bytes(std::span(bytes)), folder);
}

Result<ir::Graph> ModelBuilder::import() const { return import_bytes(bytes()); }

Status ModelBuilder::error() const { return import().status(); }

std::string ops_of(const ir::Region& region) {
  std::string text;
  for (const ir::Node& node : region.nodes) text += (text.empty() ? "" : " ") + node.op;
  return text;
}

}  // namespace penstock::importer
