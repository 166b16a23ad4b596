// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/value_type.h"

#include "import/tensor.h"

namespace penstock::importer {

const onnx::TypeProto::Tensor* held_tensor(const onnx::TypeProto& type) {
  const onnx::TypeProto* inner = &type;
  if (inner->has_optional_type()) inner = &inner->optional_type().elem_type();
  if (inner->has_sequence_type()) inner = &inner->sequence_type().elem_type();
  return inner != &type && inner->has_tensor_type() ? &inner->tensor_type() : nullptr;
}

std::optional<ir::ElementType> held_type(const onnx::TypeProto& type) {
  const onnx::TypeProto::Tensor* tensor = held_tensor(type);
  if (tensor == nullptr) return std::nullopt;
  const std::optional<DataType> dtype = element_type(tensor->elem_type());
  if (!dtype) return std::nullopt;
  ir::ElementType element{*dtype, false, ir::ElementType::Rank::kUnknown, {}};
  element.is_sequence =
      type.has_optional_type() && type.optional_type().elem_type().has_sequence_type();
  if (!tensor->has_shape()) return element;
  element.rank = ir::ElementType::Rank::kKnown;
  for (const auto& dim : tensor->shape().dim()) {
    element.shape.emplace_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
  }
  return element;
}

std::string type_name(const onnx::TypeProto& type) {
  switch (type.value_case()) {
    case onnx::TypeProto::kTensorType: return onnx_type_name(type.tensor_type().elem_type());
    case onnx::TypeProto::kSequenceType:
      return "sequence of " + type_name(type.sequence_type().elem_type());
    case onnx::TypeProto::kOptionalType:
      return "optional " + type_name(type.optional_type().elem_type());
    case onnx::TypeProto::kMapType: return "map";
    case onnx::TypeProto::kSparseTensorType: return "sparse tensor";
    default: return "nothing";
  }
}

}  // namespace penstock::importer
