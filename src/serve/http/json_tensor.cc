// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/json_tensor.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "serve/buffer_pool.h"
#include "serve/message_json.h"

namespace penstock::serve::http {
namespace {

namespace dom = simdjson::dom;

Error wrong(const TensorView& tensor, const std::string& what) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("data of input '{}' ({}): {}", tensor.name, wire_name(tensor.dtype), what)};
}

// Characters of strings, and the elements that refer to them.
struct Strings {
  std::string characters;
  std::vector<std::pair<size_t, size_t>> places;
  std::vector<StringRef> elements;
};

template <typename T>
bool read_integer(dom::element element, T& value) {
  int64_t whole = 0;
  uint64_t large = 0;
  if (element.get(whole) == simdjson::SUCCESS) {
    if constexpr (std::is_unsigned_v<T>) {
      if (whole < 0 || static_cast<uint64_t>(whole) > std::numeric_limits<T>::max()) return false;
    } else {
      if (whole < std::numeric_limits<T>::min() || whole > std::numeric_limits<T>::max()) {
        return false;
      }
    }
    value = static_cast<T>(whole);
    return true;
  }
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (element.get(large) == simdjson::SUCCESS) {
      value = large;
      return true;
    }
  }
  return false;
}

bool read(dom::element element, bool& value) {
  int64_t number = 0;
  if (element.get(value) == simdjson::SUCCESS) return true;
  if (element.get(number) != simdjson::SUCCESS || (number != 0 && number != 1)) return false;
  value = number == 1;
  return true;
}

// A double takes whole numbers too.
bool read(dom::element element, double& value) { return element.get(value) == simdjson::SUCCESS; }

bool read(dom::element element, float& value) {
  double number = 0;
  if (!read(element, number)) return false;
  // Outside of what a float holds, the conversion is undefined.
  constexpr double kMost = std::numeric_limits<float>::max();
  value = number > kMost    ? std::numeric_limits<float>::infinity()
          : number < -kMost ? -std::numeric_limits<float>::infinity()
                            : static_cast<float>(number);
  return true;
}

template <typename T>
bool read_short(dom::element element, T& value) {
  float number = 0;
  if (!read(element, number)) return false;
  value = T(number);
  return true;
}
bool read(dom::element element, Half& value) { return read_short(element, value); }
bool read(dom::element element, BFloat16& value) { return read_short(element, value); }

template <typename T>
requires(std::is_integral_v<T>) bool read(dom::element element, T& value) {
  return read_integer(element, value);
}

// Depth is bounded by the parser's.
template <typename Function>
Error for_each_element(dom::array array, Function&& function) {
  for (const dom::element element : array) {
    dom::array inner;
    if (element.get(inner) == simdjson::SUCCESS) {
      PENSTOCK_RETURN_IF_REFUSED(for_each_element(inner, function));
    } else {
      PENSTOCK_RETURN_IF_REFUSED(function(element));
    }
  }
  return {};
}

template <typename T>
Error read_all(dom::array data, TensorView& tensor, std::shared_ptr<const void>& memory) {
  const auto count = static_cast<size_t>(element_count(tensor.shape));
  auto* elements = reinterpret_cast<T*>(const_cast<void*>(memory.get()));
  size_t i = 0;
  PENSTOCK_RETURN_IF_REFUSED(for_each_element(data, [&](dom::element element) -> Error {
    if (i == count) return wrong(tensor, fmt::format("more than {} elements", count));
    if (!read(element, elements[i])) {
      return wrong(tensor, fmt::format("element {} is no value of this type", i));
    }
    ++i;
    return {};
  }));
  if (i == count) return {};
  return wrong(tensor,
               fmt::format("{} elements, the shape {} has {}", i, to_string(tensor.shape), count));
}

Error read_strings(dom::array data, TensorView& tensor, std::shared_ptr<const void>& memory) {
  auto strings = std::make_shared<Strings>();
  const auto count = static_cast<size_t>(element_count(tensor.shape));
  PENSTOCK_RETURN_IF_REFUSED(for_each_element(data, [&](dom::element element) -> Error {
    std::string_view text;
    if (strings->places.size() == count) {
      return wrong(tensor, fmt::format("more than {} elements", count));
    }
    if (element.get(text) != simdjson::SUCCESS) {
      return wrong(tensor, fmt::format("element {} is no string", strings->places.size()));
    }
    strings->places.emplace_back(strings->characters.size(), text.size());
    strings->characters += text;
    return {};
  }));
  if (strings->places.size() != count) {
    return wrong(tensor, fmt::format("{} elements, the shape {} has {}", strings->places.size(),
                                     to_string(tensor.shape), count));
  }
  for (const auto& [begin, size] : strings->places) {
    strings->elements.push_back({strings->characters.data() + begin, size});
  }
  tensor.data = strings->elements.data();
  tensor.bytes = strings->elements.size() * sizeof(StringRef);
  memory = std::move(strings);
  return {};
}

template <typename T>
void append_all(const TensorView& tensor, std::string& json) {
  const auto* elements = static_cast<const T*>(tensor.data);
  const size_t count = tensor.bytes / sizeof(T);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    if constexpr (std::is_same_v<T, bool>) {
      json += elements[i] ? "true" : "false";
    } else if constexpr (std::is_same_v<T, StringRef>) {
      append_json_string(elements[i].view(), json);
    } else if constexpr (std::is_integral_v<T>) {
      char digits[24];
      const auto end = std::to_chars(std::begin(digits), std::end(digits), elements[i]);
      json.append(digits, end.ptr);
    } else if constexpr (std::is_same_v<T, double>) {
      append_json_number(elements[i], json);
    } else {
      append_json_number(static_cast<float>(elements[i]), json);
    }
  }
}

// Calls function.operator()<T>() with the type of the elements.
template <typename Function>
auto with_type(DataType dtype, Function&& function) {
  switch (dtype) {
    case DataType::kBool: return function.template operator()<bool>();
    case DataType::kUInt8: return function.template operator()<uint8_t>();
    case DataType::kInt8: return function.template operator()<int8_t>();
    case DataType::kUInt16: return function.template operator()<uint16_t>();
    case DataType::kInt16: return function.template operator()<int16_t>();
    case DataType::kUInt32: return function.template operator()<uint32_t>();
    case DataType::kInt32: return function.template operator()<int32_t>();
    case DataType::kUInt64: return function.template operator()<uint64_t>();
    case DataType::kInt64: return function.template operator()<int64_t>();
    case DataType::kFloat16: return function.template operator()<Half>();
    case DataType::kBFloat16: return function.template operator()<BFloat16>();
    case DataType::kFloat64: return function.template operator()<double>();
    default: return function.template operator()<float>();
  }
}

}  // namespace

Error read_json_tensor(dom::array data, TensorView& tensor, std::shared_ptr<const void>& memory) {
  const auto count = static_cast<uint64_t>(element_count(tensor.shape));
  // Every element takes room in the document: a shape that promises more is wrong, and nothing is
  // allocated for it.
  if (count > data.number_of_slots()) {
    return wrong(tensor, fmt::format("too few elements for the shape {}", to_string(tensor.shape)));
  }
  if (tensor.dtype == DataType::kString) return read_strings(data, tensor, memory);
  tensor.bytes = static_cast<size_t>(count) * size_of(tensor.dtype);
  memory = BufferPool::shared()->take(tensor.bytes);
  if (memory == nullptr) return {ErrorCode::kUnavailable, "no memory for the request's tensors"};
  tensor.data = memory.get();
  return with_type(tensor.dtype, [&]<typename T>() { return read_all<T>(data, tensor, memory); });
}

void append_json_tensor(const TensorView& tensor, std::string& json) {
  json += '[';
  if (tensor.dtype == DataType::kString) {
    append_all<StringRef>(tensor, json);
  } else {
    with_type(tensor.dtype, [&]<typename T>() { append_all<T>(tensor, json); });
  }
  json += ']';
}

}  // namespace penstock::serve::http
