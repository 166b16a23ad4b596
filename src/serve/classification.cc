// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>

namespace penstock::serve {
namespace {

struct Strings {
  std::vector<std::string> texts;
  std::vector<StringRef> refs;
};

template <typename T>
void classify_item(std::span<const T> values, size_t classes,
                   const std::vector<std::string>& labels, std::vector<std::string>& texts) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto is_before = [&](size_t a, size_t b) {
    return values[a] > values[b] || (values[a] == values[b] && a < b);
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(classes),
                    order.end(), is_before);
  for (size_t k = 0; k < classes; ++k) {
    const size_t index = order[k];
    texts.push_back(fmt::format("{:f}:{}", static_cast<double>(values[index]), index));
    if constexpr (std::is_integral_v<T>) texts.back() = fmt::format("{}:{}", values[index], index);
    if (index < labels.size()) texts.back() += ":" + labels[index];
  }
}

template <typename T>
void classify_all(const TensorView& tensor, size_t items, size_t classes,
                  const std::vector<std::string>& labels, std::vector<std::string>& texts) {
  const std::span<const T> values(static_cast<const T*>(tensor.data), tensor.bytes / sizeof(T));
  const size_t each = items == 0 ? 0 : values.size() / items;
  for (size_t i = 0; i < items; ++i) {
    classify_item(values.subspan(i * each, each), classes, labels, texts);
  }
}

Error classify_typed(const TensorView& tensor, size_t items, size_t classes,
                     const std::vector<std::string>& labels, std::vector<std::string>& texts) {
  const auto as = [&](auto zero) {
    classify_all<decltype(zero)>(tensor, items, classes, labels, texts);
    return Error();
  };
  switch (tensor.dtype) {
    case DataType::kFloat32: return as(float{});
    case DataType::kFloat64: return as(double{});
    case DataType::kUInt8: return as(uint8_t{});
    case DataType::kInt8: return as(int8_t{});
    case DataType::kUInt16: return as(uint16_t{});
    case DataType::kInt16: return as(int16_t{});
    case DataType::kUInt32: return as(uint32_t{});
    case DataType::kInt32: return as(int32_t{});
    case DataType::kUInt64: return as(uint64_t{});
    case DataType::kInt64: return as(int64_t{});
    default:
      return {ErrorCode::kInvalidArgument,
              fmt::format("class result not available for output '{}' of type {}", tensor.name,
                          wire_name(tensor.dtype))};
  }
}

}  // namespace

Answer<TensorView> classify(const TensorView& tensor, uint32_t classes, bool has_batch_axis,
                            const std::vector<std::string>& labels,
                            std::shared_ptr<const void>& owner) {
  const bool is_batched = has_batch_axis && !tensor.shape.empty();
  const int64_t items = is_batched ? tensor.shape[0] : 1;
  const int64_t elements = element_count(tensor.shape);
  const auto most = static_cast<size_t>(items == 0 ? 0 : elements / items);
  const size_t count = std::min<size_t>(classes, most);
  auto strings = std::make_shared<Strings>();
  PENSTOCK_RETURN_IF_REFUSED(
      classify_typed(tensor, static_cast<size_t>(items), count, labels, strings->texts));
  for (const std::string& text : strings->texts)
    strings->refs.push_back({text.data(), text.size()});
  TensorView result;
  result.name = tensor.name;
  result.dtype = DataType::kString;
  if (is_batched) result.shape.push_back(items);
  result.shape.push_back(static_cast<int64_t>(count));
  result.data = strings->refs.data();
  result.bytes = strings->refs.size() * sizeof(StringRef);
  owner = std::move(strings);
  return result;
}

}  // namespace penstock::serve
