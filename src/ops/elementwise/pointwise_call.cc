// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/half.h"
#include "ops/elementwise/pointwise_program.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

// What a call's text depends on, of a node of the graph and of one with shapes alike.
struct CallOperand {
  bool present = false;
  DataType dtype = DataType::kUndefined;
  size_t rank = 0;
  bool is_constant = false;
  std::optional<float> scalar;  // the element of a constant that has one
};

struct CallSource {
  std::string_view op;
  const ir::Attributes& attributes;
  std::vector<CallOperand> inputs;
  DataType result = DataType::kUndefined;
};

std::optional<float> read_scalar(DataType dtype, const Shape& shape, const void* data) {
  if (data == nullptr || element_count(shape) != 1) return std::nullopt;
  float value = 0;
  const Status status = dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T element;  // mapped files need not align elements
    std::memcpy(&element, data, sizeof(T));
    value = static_cast<float>(element);
    return Status::ok();
  });
  if (!status.is_ok()) return std::nullopt;
  return value;
}

const PointwiseFunction* function_of(const CallSource& source) {
  if (source.op == "Gelu" && source.attributes.get_string("approximate", "none") == "tanh") {
    return find_pointwise_function("gelu_tanh");
  }
  if (source.op == "Swish" && source.attributes.get_float("alpha", 1.0f) != 1.0f) {
    return find_pointwise_function("swish");
  }
  for (const PointwiseFunction& function : pointwise_functions()) {
    if (function.op == source.op) return &function;
  }
  return nullptr;
}

bool is_float_or_bool(DataType dtype) {
  return dtype == DataType::kFloat32 || dtype == DataType::kBool;
}

// What a kernel computes in that loads and stores floats of 16 bits.
DataType computed_in(DataType dtype) {
  const bool is_narrow = dtype == DataType::kFloat16 || dtype == DataType::kBFloat16;
  return is_narrow ? DataType::kFloat32 : dtype;
}

// A scalar constant may become a literal where another operand keeps the rank of the result.
bool is_literal(const CallSource& source, size_t i) {
  if (!source.inputs[i].scalar) return false;
  for (size_t k = 0; k < source.inputs.size(); ++k) {
    const bool varies = !source.inputs[k].scalar;
    if (varies && source.inputs[k].rank >= source.inputs[i].rank) return true;
  }
  return false;
}

// The text of operand i, or nothing where its type is not for programs.
std::optional<std::string> operand_text(const CallSource& source, size_t i) {
  if (!source.inputs[i].present) return std::nullopt;
  if (is_literal(source, i)) return to_text(*source.inputs[i].scalar);
  if (!is_float_or_bool(source.inputs[i].dtype)) return std::nullopt;
  return "$" + std::to_string(i);
}

// Bound i of a Clip: an attribute, a constant, or nothing where it varies.
std::optional<float> clip_bound(const CallSource& source, std::string_view attribute, size_t i,
                                float otherwise) {
  if (source.attributes.has(attribute)) return source.attributes.get_float(attribute);
  if (i >= source.inputs.size() || !source.inputs[i].present) return otherwise;
  return source.inputs[i].scalar;
}

std::optional<std::string> clip_call(const CallSource& source, const PointwiseFunction& clip) {
  const auto low = clip_bound(source, "min", 1, clip.parameter[0].otherwise);
  const auto high = clip_bound(source, "max", 2, clip.parameter[1].otherwise);
  if (!low || !high) return std::nullopt;
  return "clip($0," + to_text(*low) + "," + to_text(*high) + ")";
}

// ONNX's Mod, Pow and comparisons take integers too: those of the program are floats.
bool types_fit(const CallSource& source, const PointwiseFunction& function) {
  if (!is_float_or_bool(source.result)) return false;
  const bool converts_exponent = source.op == "Pow";
  for (size_t i = 0; i < source.inputs.size(); ++i) {
    if (!source.inputs[i].present) continue;
    const bool fits = is_float_or_bool(source.inputs[i].dtype);
    if (!fits && !(converts_exponent && i == 1 && is_literal(source, i))) return false;
  }
  return function.gives_bool || source.op == "Where" || source.result == DataType::kFloat32;
}

std::optional<std::string> call_text(const CallSource& source) {
  const PointwiseFunction* function = function_of(source);
  if (function == nullptr || source.inputs.empty() || !types_fit(source, *function)) {
    return std::nullopt;
  }
  if (source.op == "Clip") return clip_call(source, *function);
  if (source.inputs.size() != static_cast<size_t>(function->operands)) return std::nullopt;
  std::string text(function->name);
  char separator = '(';
  for (size_t i = 0; i < source.inputs.size(); ++i) {
    const std::optional<std::string> operand = operand_text(source, i);
    if (!operand) return std::nullopt;
    text += separator + *operand;
    separator = ',';
  }
  for (int i = 0; i < function->parameters; ++i) {
    const PointwiseParameter& parameter = function->parameter[i];
    text += ',' + to_text(source.attributes.get_float(parameter.attribute, parameter.otherwise));
  }
  return text + ')';
}

}  // namespace

std::optional<std::string> pointwise_call(const ir::Node& node) {
  if (node.outputs.size() != 1 || node.outputs[0] == nullptr) return std::nullopt;
  CallSource source{node.op, node.attributes, {}, node.outputs[0]->dtype};
  for (const ir::Value* input : node.inputs) {
    CallOperand operand;
    if (input != nullptr) {
      operand = {true, input->dtype, input->shape.size(), input->is_constant(), std::nullopt};
      if (input->constant) {
        operand.scalar = read_scalar(input->dtype, input->constant->shape, input->constant->data);
      }
    }
    source.inputs.push_back(operand);
  }
  return call_text(source);
}

std::optional<std::string> pointwise_call(const backends::NodeFacts& node) {
  if (node.outputs.size() != 1) return std::nullopt;
  CallSource source{node.op, node.attributes, {}, computed_in(node.outputs[0].dtype)};
  for (const backends::Operand& input : node.inputs) {
    source.inputs.push_back({input.present, computed_in(input.dtype), input.shape.size(),
                             input.data != nullptr,
                             read_scalar(input.dtype, input.shape, input.data)});
  }
  std::optional<std::string> text = call_text(source);
  const bool is_float_clip = node.op == "Clip" && source.result == DataType::kFloat32;
  if (text || !is_float_clip) return text;
  // Bounds that vary: the upper one last, as in Clip.
  const bool has_low = node.has_input(1) && !node.attributes.has("min");
  const bool has_high = node.has_input(2) && !node.attributes.has("max");
  if (has_low && has_high) return "max($0,$1);min(t0,$2)";
  return has_low ? "max($0,$1)" : "min($0,$2)";
}

}  // namespace penstock::ops
