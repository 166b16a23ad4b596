// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/outputs.h"

#include <algorithm>

#include "import/tensor.h"
#include "import/value_type.h"
#include "ops/op_definition.h"

namespace penstock::importer {
namespace {

Status contradiction(const std::string& declared, const std::string& inferred) {
  return {StatusCode::kInvalidModel,
          "the model declares " + declared + ", but its nodes compute " + inferred};
}

bool contains(const std::vector<ir::Value*>& values, const ir::Value* value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

Status check_output(const ir::Value& value, const onnx::TypeProto& declared) {
  const std::optional<ir::ElementType> held = held_type(declared);
  if (held && (!value.element || value.element->dtype != held->dtype)) {
    return contradiction("type " + type_name(declared), ir::type_text(value));
  }
  if (!declared.has_tensor_type()) return Status::ok();
  if (value.element) return contradiction("a tensor", ir::type_text(value));
  const onnx::TypeProto::Tensor& tensor = declared.tensor_type();
  if (tensor.elem_type() != 0 && tensor.elem_type() != static_cast<int>(value.dtype)) {
    return contradiction("type " + onnx_type_name(tensor.elem_type()),
                         std::string(to_string(value.dtype)));
  }
  if (!tensor.has_shape()) return Status::ok();
  const onnx::TensorShapeProto& shape = tensor.shape();
  const std::string inferred = "a shape of " + ir::to_string(value.shape);
  if (static_cast<size_t>(shape.dim_size()) != value.shape.size()) {
    return contradiction(std::to_string(shape.dim_size()) + " dimensions", inferred);
  }
  for (int i = 0; i < shape.dim_size(); ++i) {
    const int64_t size = shape.dim(i).dim_value();  // 0 or less: unknown
    const ir::Dim& dim = value.shape[static_cast<size_t>(i)];
    if (size > 0 && dim.is_constant() && !dim.is_constant(size)) {
      return contradiction("size " + std::to_string(size) + " for dimension " + std::to_string(i),
                           inferred);
    }
  }
  return Status::ok();
}

Status add_output(ir::Graph& graph, ir::Value* value, const std::string& name) {
  const bool keeps_name = value->is_constant() || contains(graph.main.inputs, value) ||
                          contains(graph.main.outputs, value);
  if (!keeps_name) {
    graph.rename(value, name);
    graph.main.outputs.push_back(value);
    return Status::ok();
  }
  ir::Node copy;
  copy.op = "Copy";
  copy.name = "Copy_" + name;
  copy.inputs = {value};
  ir::Value* output = graph.add_value("", value->dtype, value->shape);
  output->element = value->element;
  copy.outputs = {output};
  PENSTOCK_RETURN_IF_ERROR(ops::infer_node(graph, *graph.append(graph.main, std::move(copy))));
  if (value->name == name) graph.rename(value, name + "/source");
  graph.rename(output, name);
  graph.main.outputs.push_back(output);
  return Status::ok();
}

}  // namespace penstock::importer
