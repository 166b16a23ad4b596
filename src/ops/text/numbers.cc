// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Cast from and to strings.
#include <array>
#include <charconv>
#include <cmath>

#include "ops/reference_util.h"
#include "ops/text/text.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// ONNX names the special values; other numbers get the fewest digits that read back as the same.
template <typename T>
std::string_view number_text(T x, std::array<char, 64>& buffer) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return "NaN";
    if (std::isinf(x)) return x > 0 ? "INF" : "-INF";
  }
  if constexpr (std::is_same_v<T, bool>) {
    return x ? "1" : "0";
  } else {
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), x).ptr;
    return {buffer.data(), static_cast<size_t>(end - buffer.data())};
  }
}

Status infer_to_string(InferContext& context) {
  if (!is_plain(context.dtype(0))) return context.error("takes numbers or bools");
  context.set_output(0, DataType::kString, context.shape(0));
  return Status::ok();
}

Status run_to_string(const NodeFacts&, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::array<char, 64> buffer;
    for (int64_t i = 0; i < x.count(); ++i) {
      const auto number = static_cast<Compute<T>>(x.as<const T>()[i]);
      y.as<StringRef>()[i] = run.objects().add(number_text(number, buffer));
    }
    return Status::ok();
  });
}

Status infer_to_number(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_strings(context, 0));
  const auto to = static_cast<DataType>(context.attributes().get_int("to"));
  if (!is_plain(to) || size_of(to) == 0) return context.error("must give numbers or bools");
  context.set_output(0, to, context.shape(0));
  return Status::ok();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

// "3.14", "+1e-5", "INF", "nan"; from_chars knows the special values in any case.
template <typename T>
bool parse_whole(std::string_view text, T& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return end == text.data() + text.size() && error == std::errc();
}

// Numbers too large for a float are infinite, and too small ones 0.
bool parse_real(std::string_view text, double& value) {
  if (parse_whole(text, value)) return true;
  const std::string copy(text);
  char* end = nullptr;
  const double far = std::strtod(copy.c_str(), &end);
  const bool is_number = !copy.empty() && *end == '\0' && (std::isinf(far) || std::abs(far) < 1);
  if (is_number) value = far;
  return is_number;
}

template <typename T>
bool parse(std::string_view text, T& value) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (parse_whole(text, value)) return true;
    // A fraction is cut off, as it is from a number.
    double real = 0;
    if (!parse_real(text, real) || !(std::abs(real) < 0x1p63)) return false;
    value = static_cast<T>(static_cast<int64_t>(real));
    return true;
  } else if constexpr (std::is_same_v<T, bool>) {
    double real = 0;
    if (!parse_real(text, real)) return false;
    value = real != 0;
    return true;
  } else if constexpr (std::is_same_v<T, float>) {
    if (parse_whole(text, value)) return true;
    double real = 0;
    if (!parse_real(text, real)) return false;
    value = static_cast<float>(real);
    return true;
  } else {
    double real = 0;
    if (!parse_real(text, real)) return false;
    value = T(static_cast<Compute<T>>(real));
    return true;
  }
}

Status run_to_number(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  return dispatch(node.outputs[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < x.count(); ++i) {
      const std::string_view text = x.as<const StringRef>()[i].view();
      if (parse(trimmed(text), y.as<T>()[i])) continue;
      return Status(StatusCode::kInvalidArgument,
                    "'" + std::string(text.substr(0, 64)) + "', element " + std::to_string(i) +
                        ", is no " + std::string(to_string(node.outputs[0].dtype)));
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& number_to_string_op() {
  static const OpDefinition kOp = {.name = "NumberToString",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_to_string,
                                   .reference = run_to_string};
  return kOp;
}

const OpDefinition& string_to_number_op() {
  static const OpDefinition kOp = {.name = "StringToNumber",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_to_number,
                                   .reference = run_to_number};
  return kOp;
}

}  // namespace penstock::ops
