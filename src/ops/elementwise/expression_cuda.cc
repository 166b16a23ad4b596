// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/elementwise/cuda_expression.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;
using Kind = PointwiseArgument::Kind;

struct Form {
  std::string_view name;
  std::string_view text;  // $0, $1, $2 operands, $a and $b parameters
};

// The functions of Pointwise programs on values of type T (docs/core-operators.md). Truth values
// are 0 and 1.
constexpr Form kForms[] = {
    {"abs", "fabs($0)"},
    {"neg", "-($0)"},
    {"exp", "exp($0)"},
    {"log", "log($0)"},
    {"sqrt", "sqrt($0)"},
    {"reciprocal", "T(1) / $0"},
    {"floor", "floor($0)"},
    {"ceil", "ceil($0)"},
    {"round", "rint($0)"},
    {"sign", "$0 > 0 ? T(1) : $0 < 0 ? T(-1) : $0"},
    {"sin", "sin($0)"},
    {"cos", "cos($0)"},
    {"erf", "erf($0)"},
    {"tanh", "tanh($0)"},
    {"sigmoid", "T(1) / (T(1) + exp(-($0)))"},
    {"relu", "$0 < 0 ? T(0) : $0"},
    {"softplus", "larger($0, T(0)) + log1p(exp(-fabs($0)))"},
    {"softsign", "$0 / (T(1) + fabs($0))"},
    {"hard_swish", "$0 * smaller(larger($0 / T(6) + T(0.5), T(0)), T(1))"},
    {"gelu", "Gelu<Out>::of($0)"},
    {"gelu_tanh",
     "T(0.5) * $0 * (T(1) + tanh(T(0.79788456080286535588) * ($0 + T(0.044715) * $0 * $0 * $0)))"},
    {"mish", "$0 * tanh(larger($0, T(0)) + log1p(exp(-fabs($0))))"},
    {"silu", "$0 / (T(1) + exp(-($0)))"},
    {"swish", "$0 / (T(1) + exp(-$a * $0))"},
    {"leaky_relu", "$0 < 0 ? $a * $0 : $0"},
    {"elu", "$0 < 0 ? $a * expm1($0) : $0"},
    {"celu", "larger($0, T(0)) + smaller($a * expm1($0 / $a), T(0))"},
    {"thresholded_relu", "$0 > $a ? $0 : T(0)"},
    {"selu", "$0 <= 0 ? $b * $a * expm1($0) : $b * $0"},
    {"hard_sigmoid", "smaller(larger($a * $0 + $b, T(0)), T(1))"},
    {"shrink", "$0 < -$a ? $0 + $b : $0 > $a ? $0 - $b : T(0)"},
    {"clip", "smaller(larger($0, $a), $b)"},
    {"is_nan", "$0 != $0 ? T(1) : T(0)"},
    {"not", "$0 != 0 ? T(0) : T(1)"},
    {"add", "$0 + $1"},
    {"sub", "$0 - $1"},
    {"mul", "$0 * $1"},
    {"div", "$0 / $1"},
    {"pow", "pow($0, $1)"},
    {"min", "smaller($0, $1)"},
    {"max", "larger($0, $1)"},
    {"prelu", "$0 < 0 ? $1 * $0 : $0"},
    {"equal", "$0 == $1 ? T(1) : T(0)"},
    {"less", "$0 < $1 ? T(1) : T(0)"},
    {"less_or_equal", "$0 <= $1 ? T(1) : T(0)"},
    {"greater", "$0 > $1 ? T(1) : T(0)"},
    {"greater_or_equal", "$0 >= $1 ? T(1) : T(0)"},
    {"and", "$0 != 0 && $1 != 0 ? T(1) : T(0)"},
    {"or", "$0 != 0 || $1 != 0 ? T(1) : T(0)"},
    {"xor", "($0 != 0) != ($1 != 0) ? T(1) : T(0)"},
    {"where", "$0 != 0 ? $1 : $2"},
};

// Operators on integers, bool and mixtures of types: operands are of the types they are stored in.
constexpr Form kTypedForms[] = {
    {"Add", "$0 + $1"},
    {"Sub", "$0 - $1"},
    {"Mul", "$0 * $1"},
    {"Min", "$0 < $1 ? $0 : $1"},
    {"Max", "$0 > $1 ? $0 : $1"},
    {"Equal", "$0 == $1"},
    {"Less", "$0 < $1"},
    {"LessOrEqual", "$0 <= $1"},
    {"Greater", "$0 > $1"},
    {"GreaterOrEqual", "$0 >= $1"},
    {"And", "$0 && $1"},
    {"Or", "$0 || $1"},
    {"Xor", "($0 != 0) != ($1 != 0)"},
    {"Not", "!($0)"},
    {"Neg", "-($0)"},
    {"Abs", "$0 < 0 ? -($0) : $0"},
    {"Sign", "$0 > 0 ? 1 : $0 < 0 ? -1 : 0"},
    {"Relu", "$0 < 0 ? 0 : $0"},
    {"BitwiseAnd", "$0 & $1"},
    {"BitwiseOr", "$0 | $1"},
    {"BitwiseXor", "$0 ^ $1"},
    {"BitwiseNot", "~($0)"},
    {"Where", "$0 ? $1 : $2"},
};

std::string literal(float value) {
  if (std::isnan(value)) return "T(nan(\"\"))";
  if (std::isinf(value)) return value > 0 ? "T(infinity())" : "T(-infinity())";
  char text[40];
  std::snprintf(text, sizeof(text), "T(%.17g)", static_cast<double>(value));
  return text;
}

std::string fill(std::string_view form, const std::vector<std::string>& operands,
                 const std::vector<float>& parameters) {
  std::string text;
  for (size_t i = 0; i < form.size(); ++i) {
    if (form[i] != '$') {
      text += form[i];
      continue;
    }
    const char which = form[++i];
    text += which == 'a'   ? literal(parameters[0])
            : which == 'b' ? literal(parameters[1])
                           : operands[static_cast<size_t>(which - '0')];
  }
  return text;
}

template <size_t N>
const Form* find_form(const Form (&forms)[N], std::string_view name) {
  const auto* found = std::find_if(std::begin(forms), std::end(forms),
                                   [&](const Form& form) { return form.name == name; });
  return found == std::end(forms) ? nullptr : found;
}

bool is_number_with_fraction(DataType type) { return is_floating(type) && !is_small(type); }

// The node's program: its own, or the call that its operator makes. Types are hidden from
// pointwise_call, which knows float32 and bool only: the program is the same for all floats.
std::optional<PointwiseProgram> program_of(const NodeFacts& node) {
  std::string text = node.attributes.get_string("program");
  if (node.op != "Pointwise") {
    NodeFacts as_float = node;
    for (auto* list : {&as_float.inputs, &as_float.outputs}) {
      for (Operand& operand : *list) {
        if (!operand.present || operand.dtype == DataType::kBool ||
            operand.dtype == DataType::kFloat32) {
          continue;
        }
        if (!is_number_with_fraction(operand.dtype)) {
          if (operand.data == nullptr) return std::nullopt;
          continue;  // a scalar constant may be an exponent
        }
        operand.dtype = DataType::kFloat32;
        operand.data = nullptr;
      }
    }
    const std::optional<std::string> call = pointwise_call(as_float);
    if (!call) return std::nullopt;
    text = *call;
    std::replace(text.begin(), text.end(), '$', 'i');
  }
  Result<PointwiseProgram> program = parse_pointwise(text);
  if (!program.is_ok()) return std::nullopt;
  return *std::move(program);
}

bool has_double(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const Operand& operand : *list) {
      if (operand.present && operand.dtype == DataType::kFloat64) return true;
    }
  }
  return false;
}

CudaExpression expression_of(const PointwiseProgram& program, const NodeFacts& node) {
  CudaExpression expression;
  expression.compute = has_double(node) ? "double" : "float";
  const auto input = [&](int index) {
    auto& inputs = expression.inputs;
    auto it = std::find(inputs.begin(), inputs.end(), index);
    if (it == inputs.end()) it = inputs.insert(inputs.end(), index);
    return "T(v" + std::to_string(it - inputs.begin()) + ")";
  };
  int number = 0;
  for (const PointwiseCall& call : program.calls) {
    std::vector<std::string> operands;
    for (const PointwiseArgument& argument : call.operands) {
      operands.push_back(argument.kind == Kind::kInput    ? input(argument.index)
                         : argument.kind == Kind::kResult ? "t" + std::to_string(argument.index)
                                                          : literal(argument.value));
    }
    const Form* form = find_form(kForms, call.function->name);
    if (form == nullptr) return {};
    expression.result = "t" + std::to_string(number++);
    expression.statements += "const T " + expression.result + " = " +
                             fill(form->text, operands, call.parameters) + ";\n";
  }
  return expression;
}

Result<CudaExpression> cast_expression(const NodeFacts& node) {
  const DataType from = node.inputs[0].dtype;
  const DataType to = node.outputs[0].dtype;
  CudaExpression expression;
  expression.inputs = {0};
  expression.compute = cuda_compute_type(from);
  const std::string target = cuda_compute_type(to);
  if (expression.compute.empty() || target.empty()) {
    return Status(StatusCode::kUnsupported, "no cast between these types on the device");
  }
  if (is_floating(from) && is_integer(to)) {
    expression.result = "(" + target + ")to_integer(v0)";
  } else {
    expression.result = to == DataType::kBool ? "v0 != 0" : "(" + target + ")v0";
  }
  return expression;
}

Result<CudaExpression> typed_expression(const NodeFacts& node) {
  const Form* form = find_form(kTypedForms, node.op);
  if (form == nullptr) {
    return Status(StatusCode::kUnsupported, "no expression for these types on the device");
  }
  CudaExpression expression;
  std::vector<std::string> operands;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const std::string type = node.inputs[i].present ? cuda_compute_type(node.inputs[i].dtype) : "";
    if (type.empty()) {
      return Status(StatusCode::kUnsupported, "no expression for these types on the device");
    }
    expression.inputs.push_back(static_cast<int>(i));
    operands.push_back("v" + std::to_string(i));
    expression.compute = type;
  }
  const auto needed = static_cast<size_t>(form->text.find("$2") != std::string_view::npos   ? 3
                                          : form->text.find("$1") != std::string_view::npos ? 2
                                                                                            : 1);
  if (operands.size() != needed) {
    return Status(StatusCode::kUnsupported, "takes other operands than these");
  }
  expression.result =
      "(" + cuda_compute_type(node.outputs[0].dtype) + ")(" + fill(form->text, operands, {}) + ")";
  return expression;
}

}  // namespace

std::string cuda_compute_type(DataType type) {
  switch (type) {
    case DataType::kFloat32:
    case DataType::kFloat16:
    case DataType::kBFloat16: return "float";
    case DataType::kFloat64: return "double";
    case DataType::kBool: return "bool";
    default: return is_integer(type) && !is_small(type) ? cuda_storage_type(type) : "";
  }
}

std::string cuda_storage_type(DataType type) {
  switch (type) {
    case DataType::kFloat32: return "float";
    case DataType::kFloat64: return "double";
    case DataType::kFloat16: return "half_bits";
    case DataType::kBFloat16: return "bfloat_bits";
    case DataType::kBool: return "bool_byte";
    case DataType::kInt8: return "signed char";
    case DataType::kUInt8: return "unsigned char";
    case DataType::kInt16: return "short";
    case DataType::kUInt16: return "unsigned short";
    case DataType::kInt32: return "int";
    case DataType::kUInt32: return "unsigned int";
    case DataType::kInt64: return "long long";
    case DataType::kUInt64: return "unsigned long long";
    case DataType::kFloat8E4M3FN: return "e4m3_bits";
    default: return "";
  }
}

Result<CudaExpression> cuda_expression(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const Operand& operand : *list) {
      if (operand.present && cuda_compute_type(operand.dtype).empty()) {
        return Status(StatusCode::kUnsupported,
                      "the device does not compute with " + std::string(to_string(operand.dtype)));
      }
    }
  }
  if (node.op == "Cast") return cast_expression(node);
  if (const std::optional<PointwiseProgram> program = program_of(node)) {
    CudaExpression expression = expression_of(*program, node);
    const bool fits = !expression.result.empty() &&
                      program->input_count() <= static_cast<int>(node.inputs.size());
    if (fits) return expression;
  }
  return typed_expression(node);
}

}  // namespace penstock::ops
