// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "accuracy/samples.h"

#include <fmt/format.h>

#include <cmath>

#include "base/half.h"

namespace penstock::accuracy {
namespace {

template <typename T>
std::vector<double> widened(const Tensor& array) {
  const std::span<const T> elements = array.as<T>();
  std::vector<double> result(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) result[i] = static_cast<double>(elements[i]);
  return result;
}

template <typename T>
std::vector<double> widened_halves(const Tensor& array) {
  const std::span<const T> elements = array.as<T>();
  std::vector<double> result(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) result[i] = static_cast<float>(elements[i]);
  return result;
}

std::vector<double> widened_bools(const Tensor& array) {
  const std::span<const uint8_t> elements = array.as<uint8_t>();
  std::vector<double> result(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) result[i] = elements[i] != 0 ? 1 : 0;
  return result;
}

// False where the type cannot hold the number as it is.
template <typename T>
bool narrow(std::span<const double> values, Tensor& to, size_t& bad) {
  const std::span<T> elements = to.as<T>();
  for (size_t i = 0; i < elements.size(); ++i) {
    // Compared as doubles: a conversion of what is out of range is undefined.
    if constexpr (std::is_integral_v<T>) {
      const auto least = static_cast<double>(std::numeric_limits<T>::min());
      const double most = std::ldexp(1.0, std::numeric_limits<T>::digits);
      if (!(values[i] >= least && values[i] < most) || values[i] != std::trunc(values[i])) {
        bad = i;
        return false;
      }
    }
    elements[i] = static_cast<T>(values[i]);
  }
  return true;
}

}  // namespace

Tensor rows(const Tensor& array, int64_t begin, int64_t count) {
  Shape shape = array.shape();
  const size_t row = array.bytes() / static_cast<size_t>(std::max<int64_t>(1, shape[0]));
  shape[0] = count;
  return Tensor::copy_of(
      array.dtype(), shape,
      static_cast<const std::byte*>(array.data()) + row * static_cast<size_t>(begin));
}

Result<int64_t> sample_count(const Arrays& data, const std::vector<TensorInfo>& inputs) {
  int64_t count = -1;
  std::string first;
  for (const TensorInfo& input : inputs) {
    const auto it = data.find(input.name);
    if (it == data.end()) {
      std::string held;
      for (const auto& [name, array] : data) held += (held.empty() ? "" : ", ") + name;
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("the data has no array for input '{}', only {}", input.name,
                                held.empty() ? "none" : held));
    }
    if (input.kind != ValueKind::kTensor) {
      return Status(StatusCode::kUnsupported,
                    fmt::format("input '{}' is a {}: only models of tensors are evaluated",
                                input.name, to_string(input.kind)));
    }
    const Shape& shape = it->second.shape();
    if (shape.empty()) {
      return Status(StatusCode::kInvalidArgument,
                    "array '" + input.name + "' has no axis of samples");
    }
    if (count < 0) {
      count = shape[0];
      first = input.name;
    }
    if (shape[0] != count) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("array '{}' has {} samples, '{}' has {}", first, count, input.name,
                                shape[0]));
    }
  }
  if (count > 0) return count;
  return Status(StatusCode::kInvalidArgument,
                inputs.empty() ? "the model has no inputs" : "the data has no sample");
}

Arrays first_samples(const Arrays& data, int64_t of, int64_t count) {
  Arrays result;
  for (const auto& [name, array] : data) {
    const bool has_samples = !array.shape().empty() && array.shape()[0] == of;
    result[name] = has_samples && count < of ? rows(array, 0, count) : array;
  }
  return result;
}

Result<Tensor> converted(const Tensor& array, DataType dtype, const std::string& name) {
  if (array.dtype() == dtype) return array;
  const auto differs = [&](const std::string& why) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("input '{}' takes {}, the array holds {}{}", name, to_string(dtype),
                              to_string(array.dtype()), why));
  };
  const bool is_float_to_integer = is_floating(array.dtype()) && !is_floating(dtype);
  Result<std::vector<double>> values = numbers(array, name);
  if (!values.is_ok() || is_float_to_integer) return differs("");
  Tensor result(dtype, array.shape());
  size_t bad = 0;
  bool fits = false;
  switch (dtype) {
    case DataType::kFloat32: fits = narrow<float>(*values, result, bad); break;
    case DataType::kFloat64: fits = narrow<double>(*values, result, bad); break;
    case DataType::kInt64: fits = narrow<int64_t>(*values, result, bad); break;
    case DataType::kInt32: fits = narrow<int32_t>(*values, result, bad); break;
    case DataType::kUInt8: fits = narrow<uint8_t>(*values, result, bad); break;
    case DataType::kInt8: fits = narrow<int8_t>(*values, result, bad); break;
    default: return differs("");
  }
  if (!fits) return differs(fmt::format(", such as {}", (*values)[bad]));
  return result;
}

Result<std::vector<double>> numbers(const Tensor& array, const std::string& name) {
  switch (array.dtype()) {
    case DataType::kFloat32: return widened<float>(array);
    case DataType::kFloat64: return widened<double>(array);
    case DataType::kFloat16: return widened_halves<Half>(array);
    case DataType::kBFloat16: return widened_halves<BFloat16>(array);
    case DataType::kInt8: return widened<int8_t>(array);
    case DataType::kUInt8: return widened<uint8_t>(array);
    case DataType::kInt16: return widened<int16_t>(array);
    case DataType::kUInt16: return widened<uint16_t>(array);
    case DataType::kInt32: return widened<int32_t>(array);
    case DataType::kUInt32: return widened<uint32_t>(array);
    case DataType::kInt64: return widened<int64_t>(array);
    case DataType::kUInt64: return widened<uint64_t>(array);
    case DataType::kBool: return widened_bools(array);
    default:
      return Status(StatusCode::kInvalidArgument, fmt::format("'{}' holds {}, which are no numbers",
                                                              name, to_string(array.dtype())));
  }
}

Result<std::vector<int64_t>> whole_numbers(const Tensor& array, const std::string& name) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> values, numbers(array, name));
  std::vector<int64_t> result(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(std::fabs(values[i]) < 9e15) || values[i] != std::trunc(values[i])) {
      return Status(
          StatusCode::kInvalidArgument,
          fmt::format("array '{}': element {} is {}, no whole number", name, i, values[i]));
    }
    result[i] = static_cast<int64_t>(values[i]);
  }
  return result;
}

}  // namespace penstock::accuracy
