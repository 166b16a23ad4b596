// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/constant.h"

#include <penstock/tensor.h>

#include <new>

#include "base/half.h"

namespace penstock::ir {
namespace {

template <typename From, typename To>
std::vector<To> widen(const Constant& constant) {
  std::vector<To> values;
  const auto count = static_cast<size_t>(element_count(constant.shape));
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    From element;  // mapped files need not align elements
    std::memcpy(&element, constant.data + i * sizeof(From), sizeof(From));
    values.push_back(static_cast<To>(element));
  }
  return values;
}

}  // namespace

ConstantRef make_constant(DataType dtype, Shape shape, const void* data) {
  auto constant = std::make_shared<Constant>();
  constant->dtype = dtype;
  constant->bytes = static_cast<size_t>(element_count(shape)) * size_of(dtype);
  constant->shape = std::move(shape);
  constexpr std::align_val_t kAlignment{64};
  auto* block = static_cast<std::byte*>(::operator new(constant->bytes + 64, kAlignment));
  if (data != nullptr) {
    std::memcpy(block, data, constant->bytes);
  } else {
    std::memset(block, 0, constant->bytes);
  }
  constant->data = block;
  constant->owner = std::shared_ptr<const void>(
      block, [](const void* p) { ::operator delete(const_cast<void*>(p), kAlignment); });
  return constant;
}

ConstantRef make_string_constant(Shape shape, const std::vector<std::string_view>& values) {
  const Tensor tensor = Tensor::from_strings(std::move(shape), values);
  auto constant = std::make_shared<Constant>();
  constant->dtype = DataType::kString;
  constant->shape = tensor.shape();
  constant->bytes = tensor.bytes();
  constant->data = static_cast<const std::byte*>(tensor.data());
  constant->owner = std::make_shared<Tensor>(tensor);
  return constant;
}

std::vector<int64_t> to_int64s(const Constant& constant) {
  switch (constant.dtype) {
    case DataType::kInt64: return widen<int64_t, int64_t>(constant);
    case DataType::kInt32: return widen<int32_t, int64_t>(constant);
    case DataType::kInt16: return widen<int16_t, int64_t>(constant);
    case DataType::kInt8: return widen<int8_t, int64_t>(constant);
    case DataType::kUInt64: return widen<uint64_t, int64_t>(constant);
    case DataType::kUInt32: return widen<uint32_t, int64_t>(constant);
    case DataType::kUInt16: return widen<uint16_t, int64_t>(constant);
    case DataType::kUInt8:
    case DataType::kBool: return widen<uint8_t, int64_t>(constant);
    default: return {};
  }
}

std::vector<float> to_floats(const Constant& constant) {
  switch (constant.dtype) {
    case DataType::kFloat32: return widen<float, float>(constant);
    case DataType::kFloat64: return widen<double, float>(constant);
    case DataType::kFloat16: return widen<Half, float>(constant);
    case DataType::kBFloat16: return widen<BFloat16, float>(constant);
    default: return {};
  }
}

}  // namespace penstock::ir
