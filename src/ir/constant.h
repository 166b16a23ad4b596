// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace penstock::ir {

// A tensor whose elements are known: row-major bytes owned by `owner`, which may be a heap block, a
// parsed model or a mapped file. Shared, never modified.
struct Constant {
  DataType dtype = DataType::kUndefined;
  Shape shape;
  std::shared_ptr<const void> owner;
  const std::byte* data = nullptr;
  size_t bytes = 0;

  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data), bytes / sizeof(T)};
  }
};

using ConstantRef = std::shared_ptr<const Constant>;

// A constant that owns a copy of `data` (64-byte aligned); zeros where data is null.
ConstantRef make_constant(DataType dtype, Shape shape, const void* data);

template <typename T>
ConstantRef make_constant(DataType dtype, Shape shape, const std::vector<T>& values) {
  return make_constant(dtype, std::move(shape), static_cast<const void*>(values.data()));
}

// A string tensor that owns its characters.
ConstantRef make_string_constant(Shape shape, const std::vector<std::string_view>& values);

// A constant of any numeric type or bool from wide elements, narrowed; null for other types. Small
// types are given by the bits of their elements, as in the text of a graph.
ConstantRef constant_of(DataType dtype, const Shape& shape, const std::vector<double>& elements);
ConstantRef constant_of(DataType dtype, const Shape& shape, const std::vector<int64_t>& elements);

// Elements of an integer or bool constant, widened; empty for other types.
std::vector<int64_t> to_int64s(const Constant& constant);
// Elements of a floating constant as float; empty for other types.
std::vector<float> to_floats(const Constant& constant);

}  // namespace penstock::ir
