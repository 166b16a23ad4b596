// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/diagnostics.h>

#include <random>

#include "base/half.h"
#include "base/small_types.h"

namespace penstock {
namespace {

template <typename T, typename Draw>
void fill(Tensor& tensor, Draw&& draw) {
  for (T& element : tensor.as<T>()) element = static_cast<T>(draw());
}

}  // namespace

Tensor random_tensor(DataType dtype, const Shape& shape, uint64_t seed) {
  Tensor tensor(dtype, shape);
  std::mt19937_64 generator(seed);
  if (dtype == DataType::kString) {
    static constexpr std::string_view kDigits = "0123456789";
    for (StringRef& text : tensor.as<StringRef>()) text = {&kDigits[generator() % 10], 1};
    return tensor;
  }
  std::uniform_real_distribution<float> real(-1.0f, 1.0f);
  const auto draw_real = [&] { return real(generator); };
  const auto draw_bit = [&] { return generator() & 1U; };
  switch (dtype) {
    case DataType::kFloat32: fill<float>(tensor, draw_real); break;
    case DataType::kFloat64: fill<double>(tensor, draw_real); break;
    case DataType::kFloat16: fill<Half>(tensor, draw_real); break;
    case DataType::kBFloat16: fill<BFloat16>(tensor, draw_real); break;
    case DataType::kInt64:
    case DataType::kUInt64: fill<int64_t>(tensor, draw_bit); break;
    case DataType::kInt32:
    case DataType::kUInt32: fill<int32_t>(tensor, draw_bit); break;
    case DataType::kInt16:
    case DataType::kUInt16: fill<int16_t>(tensor, draw_bit); break;
    case DataType::kBool: fill<uint8_t>(tensor, [] { return 1; }); break;
    default:
      if (is_small_float(dtype)) {
        fill<uint8_t>(tensor, [&] { return small_from_double(dtype, draw_real()); });
      } else {
        fill<uint8_t>(tensor, draw_bit);
      }
      break;
  }
  return tensor;
}

Tensor integer_tensor(DataType dtype, const Shape& shape, const std::vector<int64_t>& values) {
  Tensor tensor(dtype, shape);
  for (size_t i = 0; i < values.size() && i < static_cast<size_t>(tensor.count()); ++i) {
    if (dtype == DataType::kInt32) {
      tensor.as<int32_t>()[i] = static_cast<int32_t>(values[i]);
    } else if (dtype == DataType::kInt64) {
      tensor.as<int64_t>()[i] = values[i];
    }
  }
  return tensor;
}

}  // namespace penstock
