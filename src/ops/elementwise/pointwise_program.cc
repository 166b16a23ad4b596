// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/pointwise_program.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace penstock::ops {
namespace {

using Kind = PointwiseArgument::Kind;
using Function = PointwiseFunction;

constexpr float kInf = std::numeric_limits<float>::infinity();

constexpr Function unary(std::string_view name, std::string_view op) {
  return {.name = name, .op = op};
}
constexpr Function binary(std::string_view name, std::string_view op) {
  return {.name = name, .op = op, .operands = 2};
}
constexpr Function comparison(std::string_view name, std::string_view op) {
  return {.name = name, .op = op, .operands = 2, .gives_bool = true};
}
constexpr Function logical(std::string_view name, std::string_view op, int operands) {
  return {
      .name = name, .op = op, .operands = operands, .bool_operands = operands, .gives_bool = true};
}
constexpr Function one_parameter(std::string_view name, std::string_view op,
                                 PointwiseParameter parameter) {
  return {.name = name, .op = op, .parameters = 1, .parameter = {parameter, PointwiseParameter()}};
}
constexpr Function two_parameters(std::string_view name, std::string_view op,
                                  PointwiseParameter first, PointwiseParameter second) {
  return {.name = name, .op = op, .parameters = 2, .parameter = {first, second}};
}

constexpr Function kFunctions[] = {
    unary("abs", "Abs"),
    unary("neg", "Neg"),
    unary("exp", "Exp"),
    unary("log", "Log"),
    unary("sqrt", "Sqrt"),
    unary("reciprocal", "Reciprocal"),
    unary("floor", "Floor"),
    unary("ceil", "Ceil"),
    unary("round", "Round"),
    unary("sign", "Sign"),
    unary("sin", "Sin"),
    unary("cos", "Cos"),
    unary("erf", "Erf"),
    unary("tanh", "Tanh"),
    unary("sigmoid", "Sigmoid"),
    unary("relu", "Relu"),
    unary("softplus", "Softplus"),
    unary("softsign", "Softsign"),
    unary("hard_swish", "HardSwish"),
    unary("gelu", "Gelu"),
    unary("gelu_tanh", "Gelu"),
    unary("mish", "Mish"),
    unary("silu", "Swish"),
    one_parameter("swish", "Swish", {"alpha", 1.0f}),
    one_parameter("leaky_relu", "LeakyRelu", {"alpha", 0.01f}),
    one_parameter("elu", "Elu", {"alpha", 1.0f}),
    one_parameter("celu", "Celu", {"alpha", 1.0f}),
    one_parameter("thresholded_relu", "ThresholdedRelu", {"alpha", 1.0f}),
    two_parameters("selu", "Selu", {"alpha", 1.67326319217681884765625f},
                   {"gamma", 1.05070102214813232421875f}),
    two_parameters("hard_sigmoid", "HardSigmoid", {"alpha", 0.2f}, {"beta", 0.5f}),
    two_parameters("shrink", "Shrink", {"lambd", 0.5f}, {"bias", 0.0f}),
    two_parameters("clip", "Clip", {"min", -kInf}, {"max", kInf}),
    {.name = "is_nan", .op = "IsNaN", .gives_bool = true},
    logical("not", "Not", 1),
    binary("add", "Add"),
    binary("sub", "Sub"),
    binary("mul", "Mul"),
    binary("div", "Div"),
    binary("pow", "Pow"),
    binary("min", "Min"),
    binary("max", "Max"),
    binary("prelu", "PRelu"),
    comparison("equal", "Equal"),
    comparison("less", "Less"),
    comparison("less_or_equal", "LessOrEqual"),
    comparison("greater", "Greater"),
    comparison("greater_or_equal", "GreaterOrEqual"),
    logical("and", "And", 2),
    logical("or", "Or", 2),
    logical("xor", "Xor", 2),
    {.name = "where", .op = "Where", .operands = 3, .bool_operands = 1},
};

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// The text up to `separator`, trimmed, cut off the front of `rest` together with it.
std::string_view take_until(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view item = trim(rest.substr(0, at));
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return item;
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// "i3", "t0" or a literal; nothing where it is none of them.
std::optional<PointwiseArgument> parse_argument(std::string_view text) {
  PointwiseArgument argument;
  if (parse_number(text, argument.value)) {
    argument.kind = Kind::kLiteral;
    return argument;
  }
  if (text.size() < 2 || (text[0] != 'i' && text[0] != 't')) return std::nullopt;
  argument.kind = text[0] == 'i' ? Kind::kInput : Kind::kResult;
  argument.value = 0;
  const bool is_index = parse_number(text.substr(1), argument.index);
  if (!is_index || argument.index < 0 || argument.index > 9999) return std::nullopt;
  return argument;
}

Status wrong_call(std::string_view call, const std::string& what) {
  return {StatusCode::kInvalidArgument, "call '" + std::string(call) + "': " + what};
}

// Sorts parsed arguments into operands and parameters.
Status assign_arguments(std::string_view text, const std::vector<PointwiseArgument>& arguments,
                        PointwiseCall& call) {
  const Function& function = *call.function;
  const auto operands = static_cast<size_t>(function.operands);
  const size_t most = operands + static_cast<size_t>(function.parameters);
  if (arguments.size() < operands || arguments.size() > most) {
    return wrong_call(text, "takes " + std::to_string(operands) + " to " + std::to_string(most) +
                                " arguments, has " + std::to_string(arguments.size()));
  }
  for (size_t i = 0; i < most; ++i) {
    if (i < operands) {
      call.operands.push_back(arguments[i]);
    } else if (i >= arguments.size()) {
      call.parameters.push_back(function.parameter[i - operands].otherwise);
    } else if (arguments[i].kind == Kind::kLiteral) {
      call.parameters.push_back(arguments[i].value);
    } else {
      return wrong_call(text, "argument " + std::to_string(i) + " must be a number");
    }
  }
  return Status::ok();
}

Result<PointwiseCall> parse_call(std::string_view text, int earlier) {
  const size_t open = text.find('(');
  if (open == std::string_view::npos || text.back() != ')') {
    return wrong_call(text, "is not of the form name(arguments)");
  }
  PointwiseCall call;
  call.function = find_pointwise_function(trim(text.substr(0, open)));
  if (call.function == nullptr) return wrong_call(text, "no function of that name");
  std::vector<PointwiseArgument> arguments;
  std::string_view rest = text.substr(open + 1, text.size() - open - 2);
  do {
    const std::string_view item = take_until(rest, ',');
    const std::optional<PointwiseArgument> argument = parse_argument(item);
    if (!argument) {
      return wrong_call(text, "'" + std::string(item) + "' is no input, result or number");
    }
    if (argument->kind == Kind::kResult && argument->index >= earlier) {
      return wrong_call(text, "'" + std::string(item) + "' is no earlier result");
    }
    arguments.push_back(*argument);
  } while (!rest.empty());
  PENSTOCK_RETURN_IF_ERROR(assign_arguments(text, arguments, call));
  return call;
}

std::string argument_text(const PointwiseArgument& argument) {
  switch (argument.kind) {
    case Kind::kInput: return "i" + std::to_string(argument.index);
    case Kind::kResult: return "t" + std::to_string(argument.index);
    case Kind::kLiteral: break;
  }
  return to_text(argument.value);
}

}  // namespace

std::span<const PointwiseFunction> pointwise_functions() { return kFunctions; }

const PointwiseFunction* find_pointwise_function(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [&](const Function& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

ir::Attributes PointwiseCall::attributes() const {
  ir::Attributes attributes;
  if (function->name == "gelu_tanh") attributes.set("approximate", "tanh");
  for (size_t i = 0; i < parameters.size(); ++i) {
    attributes.set(function->parameter[i].attribute, parameters[i]);
  }
  return attributes;
}

int PointwiseProgram::input_count() const {
  int count = 0;
  for (const PointwiseCall& call : calls) {
    for (const PointwiseArgument& operand : call.operands) {
      if (operand.kind == Kind::kInput) count = std::max(count, operand.index + 1);
    }
  }
  return count;
}

Result<PointwiseProgram> parse_pointwise(std::string_view text) {
  PointwiseProgram program;
  if (trim(text).empty()) return Status(StatusCode::kInvalidArgument, "the program is empty");
  std::string_view rest = text;
  do {
    const std::string_view call_text = take_until(rest, ';');
    PENSTOCK_ASSIGN_OR_RETURN(PointwiseCall call,
                              parse_call(call_text, static_cast<int>(program.calls.size())));
    program.calls.push_back(std::move(call));
  } while (!trim(rest).empty());
  return program;
}

std::string to_text(float literal) {
  char buffer[32];
  const auto result = std::to_chars(std::begin(buffer), std::end(buffer), literal);
  return {buffer, result.ptr};
}

std::string to_text(const PointwiseProgram& program) {
  std::string text;
  for (const PointwiseCall& call : program.calls) {
    if (!text.empty()) text += ';';
    text += call.function->name;
    char separator = '(';
    for (const PointwiseArgument& operand : call.operands) {
      text += separator + argument_text(operand);
      separator = ',';
    }
    for (float parameter : call.parameters) text += ',' + to_text(parameter);
    text += ')';
  }
  return text;
}

}  // namespace penstock::ops
