// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace penstock {

// A row-major tensor in host memory that owns its elements (64-byte aligned), and the characters of
// strings. Copies share them.
class Tensor {
 public:
  Tensor() = default;
  // Zeros.
  Tensor(DataType dtype, Shape shape);

  template <typename T>
  static Tensor from(DataType dtype, Shape shape, std::span<const T> values) {
    Tensor tensor(dtype, std::move(shape));
    const size_t bytes =
        values.size_bytes() < tensor.bytes() ? values.size_bytes() : tensor.bytes();
    for (size_t i = 0; i < bytes; ++i) {
      static_cast<unsigned char*>(tensor.data())[i] =
          reinterpret_cast<const unsigned char*>(values.data())[i];
    }
    return tensor;
  }

  static Tensor from_strings(Shape shape, std::span<const std::string_view> values);
  // The tensor that lies at `data`, row-major, its strings included.
  static Tensor copy_of(DataType dtype, Shape shape, const void* data);

  DataType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t count() const { return element_count(shape_); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype_); }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  // The elements of a string tensor; empty for other types.
  std::vector<std::string_view> strings() const;
  template <typename T>
  std::span<T> as() {
    return {static_cast<T*>(data_.get()), bytes() / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {static_cast<const T*>(data_.get()), bytes() / sizeof(T)};
  }

  // Reads as `data`, which `owner` keeps alive, without a copy.
  static Tensor sharing(DataType dtype, Shape shape, std::shared_ptr<void> data);

 private:
  DataType dtype_ = DataType::kUndefined;
  Shape shape_;
  std::shared_ptr<void> data_;
};

}  // namespace penstock
