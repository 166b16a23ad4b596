// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/types.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace penstock {
namespace {

struct TypeFact {
  DataType type;
  std::string_view name;
  size_t size;
};

constexpr std::array kTypeFacts = {
    TypeFact{DataType::kUndefined, "undefined", 0},
    TypeFact{DataType::kFloat32, "float32", 4},
    TypeFact{DataType::kUInt8, "uint8", 1},
    TypeFact{DataType::kInt8, "int8", 1},
    TypeFact{DataType::kUInt16, "uint16", 2},
    TypeFact{DataType::kInt16, "int16", 2},
    TypeFact{DataType::kInt32, "int32", 4},
    TypeFact{DataType::kInt64, "int64", 8},
    TypeFact{DataType::kString, "string", sizeof(StringRef)},
    TypeFact{DataType::kBool, "bool", 1},
    TypeFact{DataType::kFloat16, "float16", 2},
    TypeFact{DataType::kFloat64, "float64", 8},
    TypeFact{DataType::kUInt32, "uint32", 4},
    TypeFact{DataType::kUInt64, "uint64", 8},
    TypeFact{DataType::kComplex64, "complex64", 8},
    TypeFact{DataType::kComplex128, "complex128", 16},
    TypeFact{DataType::kBFloat16, "bfloat16", 2},
    TypeFact{DataType::kFloat8E4M3FN, "float8e4m3fn", 1},
    TypeFact{DataType::kFloat8E4M3FNUZ, "float8e4m3fnuz", 1},
    TypeFact{DataType::kFloat8E5M2, "float8e5m2", 1},
    TypeFact{DataType::kFloat8E5M2FNUZ, "float8e5m2fnuz", 1},
    TypeFact{DataType::kUInt4, "uint4", 1},
    TypeFact{DataType::kInt4, "int4", 1},
    TypeFact{DataType::kFloat4E2M1, "float4e2m1", 1},
    TypeFact{DataType::kFloat8E8M0, "float8e8m0", 1},
    TypeFact{DataType::kUInt2, "uint2", 1},
    TypeFact{DataType::kInt2, "int2", 1},
    TypeFact{DataType::kSequence, "sequence", sizeof(void*)},
    TypeFact{DataType::kOptional, "optional", sizeof(void*)},
};

const TypeFact& fact(DataType type) {
  for (const TypeFact& f : kTypeFacts) {
    if (f.type == type) return f;
  }
  return kTypeFacts[0];
}

}  // namespace

std::string_view to_string(DataType type) { return fact(type).name; }

std::optional<DataType> parse_data_type(std::string_view name) {
  for (const TypeFact& f : kTypeFacts) {
    if (f.name == name) return f.type;
  }
  return std::nullopt;
}

size_t size_of(DataType type) { return fact(type).size; }

bool is_floating(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat64 || type == DataType::kFloat16 ||
         type == DataType::kBFloat16;
}

bool is_integer(DataType type) {
  switch (type) {
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
    case DataType::kInt64:
    case DataType::kUInt8:
    case DataType::kUInt16:
    case DataType::kUInt32:
    case DataType::kUInt64: return true;
    default: return false;
  }
}

bool is_plain(DataType type) {
  return type != DataType::kString && type != DataType::kSequence && type != DataType::kOptional;
}

std::string_view to_string(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTensor: return "tensor";
    case ValueKind::kSequence: return "sequence";
    case ValueKind::kOptionalTensor: return "optional";
    case ValueKind::kOptionalSequence: return "optional sequence";
  }
  return "?";
}

bool is_small(DataType type) { return type >= DataType::kFloat8E4M3FN && type <= DataType::kInt2; }

int64_t element_count(const Shape& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t count = 1;
  for (int64_t extent : shape) {
    if (__builtin_mul_overflow(count, extent, &count)) return std::numeric_limits<int64_t>::max();
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace penstock
