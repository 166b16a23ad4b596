// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/half.h"
#include "ir/constant.h"

namespace penstock::ir {
namespace {

template <typename To, typename From>
ConstantRef packed(DataType dtype, const Shape& shape, const std::vector<From>& elements) {
  std::vector<To> narrow;
  narrow.reserve(elements.size());
  for (From x : elements) narrow.push_back(static_cast<To>(x));
  return make_constant(dtype, shape, static_cast<const void*>(narrow.data()));
}

template <typename From>
ConstantRef convert(DataType dtype, const Shape& shape, const std::vector<From>& elements) {
  switch (dtype) {
    case DataType::kFloat64: return packed<double>(dtype, shape, elements);
    case DataType::kFloat32: return packed<float>(dtype, shape, elements);
    case DataType::kFloat16:
      return packed<Half>(dtype, shape, std::vector<float>(elements.begin(), elements.end()));
    case DataType::kBFloat16:
      return packed<BFloat16>(dtype, shape, std::vector<float>(elements.begin(), elements.end()));
    case DataType::kInt64:
    case DataType::kUInt64: return packed<int64_t>(dtype, shape, elements);
    case DataType::kInt32:
    case DataType::kUInt32: return packed<int32_t>(dtype, shape, elements);
    case DataType::kInt16:
    case DataType::kUInt16: return packed<int16_t>(dtype, shape, elements);
    case DataType::kInt8:
    case DataType::kUInt8:
    case DataType::kBool: return packed<int8_t>(dtype, shape, elements);
    default: return is_small(dtype) ? packed<uint8_t>(dtype, shape, elements) : nullptr;
  }
}

}  // namespace

ConstantRef constant_of(DataType dtype, const Shape& shape, const std::vector<double>& elements) {
  return convert(dtype, shape, elements);
}

ConstantRef constant_of(DataType dtype, const Shape& shape, const std::vector<int64_t>& elements) {
  return convert(dtype, shape, elements);
}

}  // namespace penstock::ir
