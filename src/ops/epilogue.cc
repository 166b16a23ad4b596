// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/epilogue.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ops/quantization/quantization.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using Kind = EpilogueStep::Kind;

struct StepName {
  Kind kind;
  std::string_view name;
  int floats;
};

constexpr StepName kNames[] = {
    {Kind::kAdd, "add", 0},
    {Kind::kMul, "mul", 0},
    {Kind::kRelu, "relu", 0},
    {Kind::kLeakyRelu, "leaky_relu", 1},
    {Kind::kClip, "clip", 2},
    {Kind::kSigmoid, "sigmoid", 0},
    {Kind::kTanh, "tanh", 0},
    {Kind::kGelu, "gelu", 0},
    {Kind::kGeluTanh, "gelu_tanh", 0},
    {Kind::kSilu, "silu", 0},
    {Kind::kHardSwish, "hard_swish", 0},
    {Kind::kHardSigmoid, "hard_sigmoid", 2},
    {Kind::kElu, "elu", 1},
    {Kind::kRound, "round", 3},
};

Status bad_step(std::string_view step, std::string_view why) {
  return {StatusCode::kInvalidArgument,
          "epilogue step '" + std::string(step) + "' " + std::string(why)};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The text before the separator; `text` keeps what follows it.
std::string_view take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return trim(head);
}

template <typename T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

Result<EpilogueStep> parse_step(std::string_view text) {
  const size_t open = text.find('(');
  std::string_view arguments;
  if (open != std::string_view::npos) {
    if (text.back() != ')') return bad_step(text, "lacks its closing parenthesis");
    arguments = trim(text.substr(open + 1, text.size() - open - 2));
  }
  const std::string_view name = trim(text.substr(0, open));
  const StepName* known = std::find_if(std::begin(kNames), std::end(kNames),
                                       [&](const StepName& n) { return n.name == name; });
  if (known == std::end(kNames)) return bad_step(text, "is not known");
  EpilogueStep step{known->kind};
  if (step.is_binary()) {
    if (!parse_number(take(arguments, ','), step.input) || step.input < 0) {
      return bad_step(text, "needs the index of an input");
    }
    if (arguments.empty()) return step;
    if (!parse_number(take(arguments, ','), step.a) || !parse_number(arguments, step.b) ||
        !(step.a > 0.0f)) {
      return bad_step(text, "needs a scale above 0 and a zero point after its input");
    }
    return step;
  }
  float* const values[] = {&step.a, &step.b, &step.c};
  for (int i = 0; i < known->floats; ++i) {
    if (!parse_number(take(arguments, ','), *values[i])) {
      return bad_step(text, "needs " + std::to_string(known->floats) + " numbers");
    }
  }
  if (!arguments.empty()) return bad_step(text, "has too many arguments");
  if (step.kind == Kind::kRound && !(step.a > 0.0f)) return bad_step(text, "needs a scale above 0");
  return step;
}

std::string number(float value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, end};
}

// values = combine(values, operand broadcast to shape).
template <typename Combine>
Status combine_broadcast(const backends::TensorView& operand, const Shape& shape,
                         std::span<double> values, Combine combine, const EpilogueStep& step = {}) {
  PENSTOCK_ASSIGN_OR_RETURN(const Shape joint, broadcast_shapes(*operand.shape, shape));
  if (joint != shape) {
    return {StatusCode::kInvalidArgument, "operand of shape " + to_string(*operand.shape) +
                                              " does not broadcast to the result's " +
                                              to_string(shape)};
  }
  const std::vector<int64_t> strides = broadcast_strides(*operand.shape, shape);
  size_t at = 0;
  if (step.is_dequantized()) {
    const std::vector<float> numbers = read_numbers(operand);
    for_each_index(shape, [&](const std::vector<int64_t>& index) {
      const double number = numbers[static_cast<size_t>(dot(index, strides))];
      values[at] = combine(values[at], (number - step.b) * step.a);
      ++at;
    });
    return Status::ok();
  }
  return dispatch(operand.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_index(shape, [&](const std::vector<int64_t>& index) {
      const T element = operand.as<const T>()[dot(index, strides)];
      values[at] = combine(values[at], static_cast<double>(static_cast<Compute<T>>(element)));
      ++at;
    });
    return Status::ok();
  });
}

// What is computed with in 8 bits.
bool is_byte(DataType type) {
  return type == DataType::kInt8 || type == DataType::kUInt8 || type == DataType::kFloat8E4M3FN;
}

bool may_broadcast(const ir::SymbolicShape& operand, const ir::SymbolicShape& result) {
  if (operand.size() > result.size()) return false;
  for (size_t i = 0; i < operand.size(); ++i) {
    const ir::Dim& extent = operand[operand.size() - 1 - i];
    const ir::Dim& target = result[result.size() - 1 - i];
    if (extent.is_constant() && target.is_constant() && !extent.is_constant(1) &&
        !(extent == target)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<Epilogue> parse_epilogue(std::string_view text) {
  Epilogue epilogue;
  text = trim(text);
  while (!text.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(EpilogueStep step, parse_step(take(text, ';')));
    epilogue.push_back(step);
  }
  return epilogue;
}

std::string print_epilogue(const Epilogue& epilogue) {
  std::string text;
  for (const EpilogueStep& step : epilogue) {
    const StepName& name = *std::find_if(std::begin(kNames), std::end(kNames),
                                         [&](const StepName& n) { return n.kind == step.kind; });
    if (!text.empty()) text += ';';
    text += name.name;
    if (step.is_binary()) {
      text += "(" + std::to_string(step.input);
      if (step.is_dequantized()) text += "," + number(step.a) + "," + number(step.b);
      text += ")";
    }
    if (name.floats == 3) {
      text += "(" + number(step.a) + "," + number(step.b) + "," + number(step.c) + ")";
    }
    if (name.floats == 1) text += "(" + number(step.a) + ")";
    if (name.floats == 2) text += "(" + number(step.a) + "," + number(step.b) + ")";
  }
  return text;
}

Status check_epilogue(const InferContext& context, size_t first_operand,
                      const ir::SymbolicShape& result) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(context.attributes().get_string("epilogue")));
  const bool is_quantized = is_byte(context.dtype(0)) && is_byte(context.dtype(1));
  if (!epilogue.empty() && !is_quantized && !is_floating(context.dtype(0))) {
    return context.error("an epilogue needs floating elements, not " +
                         std::string(to_string(context.dtype(0))));
  }
  for (const EpilogueStep& step : epilogue) {
    if (step.kind == Kind::kRound && !is_quantized) {
      return context.error("epilogue '" + print_epilogue(epilogue) +
                           "' rounds to 8 bits, and x has none");
    }
    if (!step.is_binary()) continue;
    const auto input = static_cast<size_t>(step.input);
    if (input < first_operand || !context.has_input(input)) {
      return context.error("epilogue '" + print_epilogue(epilogue) + "' names input " +
                           std::to_string(step.input) + ", which is no operand");
    }
    if (step.is_dequantized() != is_byte(context.dtype(input)) ||
        (step.is_dequantized() && !is_quantized)) {
      return context.error("operand " + std::to_string(step.input) + " of '" +
                           print_epilogue(epilogue) + "' is " +
                           std::string(to_string(context.dtype(input))) +
                           ": operands of 8 bits, and no others, have a scale and a zero point");
    }
    if (!may_broadcast(context.shape(input), result)) {
      return context.error("operand " + std::to_string(step.input) + " of shape " +
                           ir::to_string(context.shape(input)) +
                           " does not broadcast to the result's " + ir::to_string(result));
    }
  }
  return Status::ok();
}

double activate(const EpilogueStep& step, double x) {
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  switch (step.kind) {
    case Kind::kAdd:
    case Kind::kMul: return x;
    case Kind::kRelu: return x < 0 ? 0.0 : x;
    case Kind::kLeakyRelu: return x < 0 ? step.a * x : x;
    case Kind::kClip: return x < step.a ? step.a : x > step.b ? step.b : x;
    case Kind::kSigmoid: return sigmoid(x);
    case Kind::kTanh: return std::tanh(x);
    case Kind::kGelu: return 0.5 * x * (1.0 + std::erf(x * M_SQRT1_2));
    case Kind::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(M_SQRT1_2 * M_2_SQRTPI * (x + 0.044715 * x * x * x)));
    case Kind::kSilu: return x * sigmoid(x);
    case Kind::kHardSwish: return x * std::clamp(x / 6.0 + 0.5, 0.0, 1.0);
    case Kind::kHardSigmoid: return std::clamp(double{step.a} * x + step.b, 0.0, 1.0);
    case Kind::kElu: return x < 0 ? step.a * std::expm1(x) : x;
    case Kind::kRound:
      return step.a * std::clamp(std::nearbyint(x / step.a), double{step.b}, double{step.c});
  }
  return x;
}

Status add_broadcast(const backends::TensorView& operand, const Shape& shape,
                     std::span<double> values) {
  return combine_broadcast(operand, shape, values, std::plus<double>());
}

Status apply_epilogue(const backends::NodeFacts& node, const backends::KernelRun& run,
                      const Shape& shape, std::span<double> values) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  for (const EpilogueStep& step : epilogue) {
    if (!step.is_binary()) {
      for (double& value : values) value = activate(step, value);
      continue;
    }
    const auto input = static_cast<size_t>(step.input);
    if (!run.has_input(input)) {
      return {StatusCode::kInvalidArgument,
              "epilogue operand " + std::to_string(step.input) + " is missing"};
    }
    const backends::TensorView& operand = run.input(input);
    PENSTOCK_RETURN_IF_ERROR(
        step.kind == Kind::kAdd
            ? combine_broadcast(operand, shape, values, std::plus<double>(), step)
            : combine_broadcast(operand, shape, values, std::multiplies<double>(), step));
  }
  return Status::ok();
}

Result<std::vector<double>> read_doubles(const backends::TensorView& view) {
  std::vector<double> values(static_cast<size_t>(view.count()));
  PENSTOCK_RETURN_IF_ERROR(dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = view.as<const T>();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<double>(static_cast<Compute<T>>(data[i]));
    }
    return Status::ok();
  }));
  return values;
}

Status write_doubles(std::span<const double> values, const backends::TensorView& view) {
  return dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* data = view.as<T>();
    for (size_t i = 0; i < values.size(); ++i) {
      data[i] = static_cast<T>(static_cast<Compute<T>>(values[i]));
    }
    return Status::ok();
  });
}

}  // namespace penstock::ops
