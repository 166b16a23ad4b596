// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Element types; the numbers are ONNX's TensorProto.DataType, so files agree with the standard.
enum class DataType : uint8_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kUInt16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
};

// "float32", "int64", ...: NumPy's names where NumPy has one.
std::string_view to_string(DataType type);
std::optional<DataType> parse_data_type(std::string_view name);
// Bytes of one element; 0 for kUndefined and kString, which have no fixed size.
size_t size_of(DataType type);
bool is_floating(DataType type);
bool is_integer(DataType type);

// Extents of a tensor, outermost first. Empty is a scalar; a zero extent is an empty tensor.
using Shape = std::vector<int64_t>;

// Product of the extents; 1 for a scalar.
int64_t element_count(const Shape& shape);
// "[1, 3, 224, 224]"
std::string to_string(const Shape& shape);

// What a caller must know of an input or output: -1 stands for an extent that varies.
struct TensorInfo {
  std::string name;
  DataType dtype = DataType::kUndefined;
  Shape shape;
  // One name or expression per extent: "batch", "3", "batch*12".
  std::vector<std::string> dims;
};

}  // namespace penstock
