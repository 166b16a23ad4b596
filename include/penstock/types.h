// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Element types; up to 127 the numbers are ONNX's TensorProto.DataType, so files agree with the
// standard.
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
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUInt2 = 25,
  kInt2 = 26,
  // What a sequence and an optional are inside of a program: one handle. TensorInfo tells what they
  // hold instead.
  kSequence = 128,
  kOptional = 129,
};

// "float32", "int64", ...: NumPy's names where NumPy has one.
std::string_view to_string(DataType type);
std::optional<DataType> parse_data_type(std::string_view name);
// Bytes of one element in memory, 0 for kUndefined. An element of a string tensor is a StringRef.
// Elements of fewer than 8 bits take a byte each, as in NumPy's ml_dtypes: they are its low bits,
// the others are zero.
size_t size_of(DataType type);
// Types to compute with: the small ones below are neither.
bool is_floating(DataType type);
bool is_integer(DataType type);
// Floats of 8 bits and fewer, and integers of 4 and 2: types to store numbers in. They are moved,
// compared, cast and quantized, and nothing else.
bool is_small(DataType type);
// True where the bytes of the elements are all there is to them: numbers and bool, not strings,
// sequences and optionals, which refer to other memory.
bool is_plain(DataType type);

// An element of a string tensor: UTF-8 characters that stand elsewhere, without a zero at the end.
struct StringRef {
  const char* data = nullptr;
  uint64_t size = 0;

  std::string_view view() const { return {data, static_cast<size_t>(size)}; }
};

// Extents of a tensor, outermost first. Empty is a scalar; a zero extent is an empty tensor.
using Shape = std::vector<int64_t>;

// Product of the extents; 1 for a scalar. Saturates: the largest int64 where the product is larger.
int64_t element_count(const Shape& shape);
// "[1, 3, 224, 224]"
std::string to_string(const Shape& shape);

// What an input or output is: a tensor, a sequence of tensors, or either of them or nothing.
enum class ValueKind : uint8_t { kTensor, kSequence, kOptionalTensor, kOptionalSequence };
// "tensor", "sequence", "optional", "optional sequence".
std::string_view to_string(ValueKind kind);

// What a caller must know of an input or output: -1 stands for an extent that varies. Of a sequence
// or an optional, type and shape are those of the tensors in it.
struct TensorInfo {
  std::string name;
  DataType dtype = DataType::kUndefined;
  Shape shape;
  // One name or expression per extent: "batch", "3", "batch*12".
  std::vector<std::string> dims;
  ValueKind kind = ValueKind::kTensor;
  // False where the tensors of a sequence may differ in rank: then shape and dims are empty.
  bool has_rank = true;
};

}  // namespace penstock
