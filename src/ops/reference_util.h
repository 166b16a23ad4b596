// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <vector>

#include "backends/tactic.h"
#include "base/half.h"

namespace penstock::ops {

template <typename T>
struct TypeTag {
  using type = T;
};

// Calls fn(TypeTag<T>{}) with the C++ type of `dtype`: integers, floats, Half, BFloat16 and bool
// (as bool). An error naming the type for strings and complex numbers.
template <typename Fn>
Status dispatch(DataType dtype, Fn&& fn) {
  switch (dtype) {
    case DataType::kFloat32: return fn(TypeTag<float>{});
    case DataType::kFloat64: return fn(TypeTag<double>{});
    case DataType::kFloat16: return fn(TypeTag<Half>{});
    case DataType::kBFloat16: return fn(TypeTag<BFloat16>{});
    case DataType::kInt8: return fn(TypeTag<int8_t>{});
    case DataType::kInt16: return fn(TypeTag<int16_t>{});
    case DataType::kInt32: return fn(TypeTag<int32_t>{});
    case DataType::kInt64: return fn(TypeTag<int64_t>{});
    case DataType::kUInt8: return fn(TypeTag<uint8_t>{});
    case DataType::kUInt16: return fn(TypeTag<uint16_t>{});
    case DataType::kUInt32: return fn(TypeTag<uint32_t>{});
    case DataType::kUInt64: return fn(TypeTag<uint64_t>{});
    case DataType::kBool: return fn(TypeTag<bool>{});
    default: break;
  }
  return {StatusCode::kUnsupported,
          "no kernel for elements of type " + std::string(to_string(dtype))};
}

// The type arithmetic happens in: float for 16-bit floats, T itself otherwise.
template <typename T>
using Compute =
    std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

// Same for kernels that copy elements without looking at them: the type of that many bytes.
template <typename Fn>
Status dispatch_size(DataType dtype, Fn&& fn) {
  switch (size_of(dtype)) {
    case 1: return fn(TypeTag<uint8_t>{});
    case 2: return fn(TypeTag<uint16_t>{});
    case 4: return fn(TypeTag<uint32_t>{});
    case 8: return fn(TypeTag<uint64_t>{});
    case sizeof(StringRef): return fn(TypeTag<StringRef>{});
    default: break;
  }
  return {StatusCode::kUnsupported,
          "no kernel for elements of type " + std::string(to_string(dtype))};
}

// Row-major strides in elements.
inline std::vector<int64_t> strides_of(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

// Strides of a tensor of shape `shape` seen as `target` by broadcasting: 0 where it repeats.
inline std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& target) {
  std::vector<int64_t> strides(target.size(), 0);
  const std::vector<int64_t> own = strides_of(shape);
  const size_t offset = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) strides[offset + i] = shape[i] == 1 ? 0 : own[i];
  return strides;
}

// Shape of broadcasting a and b, or an error that prints both.
inline Result<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      return Status(StatusCode::kInvalidArgument,
                    "shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

// Calls visit(index) for every multi-index of `shape` in row-major order; never for empty shapes.
template <typename Visit>
void for_each_index(const Shape& shape, Visit&& visit) {
  if (element_count(shape) == 0) return;
  std::vector<int64_t> index(shape.size(), 0);
  while (true) {
    visit(static_cast<const std::vector<int64_t>&>(index));
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

inline int64_t dot(const std::vector<int64_t>& index, const std::vector<int64_t>& strides) {
  int64_t offset = 0;
  for (size_t i = 0; i < index.size(); ++i) offset += index[i] * strides[i];
  return offset;
}

// Elements of an integer or bool input, widened. Empty where the input is absent.
std::vector<int64_t> read_int64s(const backends::TensorView& view);
// An integer-list parameter: the attribute where it is set, else the elements of input i.
std::vector<int64_t> ints_parameter(const backends::NodeFacts& node, const backends::KernelRun& run,
                                    std::string_view attribute, size_t i);

}  // namespace penstock::ops
