// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/graph_importer.h"

namespace penstock::importer {
namespace {

template <typename Field>
std::vector<typename Field::value_type> to_vector(const Field& field) {
  return {field.begin(), field.end()};
}

// The value of one of the attributes that Constant allows; null for a kind it does not.
ir::ConstantRef from_numbers(const onnx::AttributeProto& value, const std::string& form) {
  if (form == "value_float") {
    const float number = value.f();
    return ir::make_constant(DataType::kFloat32, {}, &number);
  }
  if (form == "value_int") {
    const int64_t number = value.i();
    return ir::make_constant(DataType::kInt64, {}, &number);
  }
  if (form == "value_floats") {
    return ir::make_constant(DataType::kFloat32, {value.floats_size()}, to_vector(value.floats()));
  }
  if (form == "value_ints") {
    return ir::make_constant(DataType::kInt64, {value.ints_size()}, to_vector(value.ints()));
  }
  if (form == "value_string") return ir::make_string_constant({}, {value.s()});
  if (form == "value_strings") {
    return ir::make_string_constant({value.strings_size()},
                                    {value.strings().begin(), value.strings().end()});
  }
  return nullptr;
}

}  // namespace

Status GraphImporter::import_constant(const onnx::NodeProto& node, const std::string& name,
                                      Scope& scope) {
  const auto invalid = [&](const std::string& what) {
    return Status(StatusCode::kInvalidModel, "node '" + name + "' (Constant): " + what);
  };
  if (node.output_size() != 1) return invalid("must have one output");
  if (node.attribute_size() != 1) return invalid("must have one value");
  const std::string& form = node.attribute(0).name();
  const onnx::AttributeProto* value = resolve(node.attribute(0), scope.frame().attributes);
  if (value == nullptr) return invalid("its value is not set by the call of its function");
  ir::ConstantRef constant;
  if (form == "value" && value->has_t()) {
    PENSTOCK_ASSIGN_OR_RETURN(constant, tensors_.read(value->t(), node.output(0)));
  } else {
    constant = from_numbers(*value, form);
  }
  if (constant == nullptr) {
    return Status(StatusCode::kUnsupported,
                  "node '" + name + "' (Constant): attribute '" + form + "' is not supported");
  }
  scope.bind(node.output(0), {graph_.add_constant(node.output(0), std::move(constant))});
  return Status::ok();
}

}  // namespace penstock::importer
