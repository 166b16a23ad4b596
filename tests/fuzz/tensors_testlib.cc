// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tensors.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::fuzz {
namespace {

constexpr int64_t kMostElements = 1 << 16;

template <typename T>
void fill_integers(Tensor& tensor, Random& random) {
  for (T& element : tensor.as<T>()) element = static_cast<T>(random.integer());
}

template <typename T>
void fill_reals(Tensor& tensor, Random& random) {
  for (T& element : tensor.as<T>()) element = static_cast<T>(random.real());
}

void fill_bytes(Tensor& tensor, Random& random, uint8_t mask) {
  auto* bytes = static_cast<uint8_t*>(tensor.data());
  for (size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<uint8_t>(random.next()) & mask;
}

Tensor random_strings(const Shape& shape, Random& random) {
  static constexpr std::array<std::string_view, 10> kTexts = {
      "",         "a",   "1.5", "-7",    "hello world", "\xc3\xa9\xe2\x82\xac",
      "\xff\xfe", "nan", "(",   "A b\tC"};
  std::vector<std::string_view> values;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    values.push_back(kTexts[random.below(kTexts.size())]);
  }
  return Tensor::from_strings(shape, values);
}

Tensor random_tensor(DataType dtype, const Shape& shape, Random& random) {
  if (dtype == DataType::kString) return random_strings(shape, random);
  Tensor tensor(dtype, shape);
  switch (dtype) {
    case DataType::kFloat32: fill_reals<float>(tensor, random); break;
    case DataType::kFloat64: fill_reals<double>(tensor, random); break;
    case DataType::kComplex64: {
      for (float& x : std::span(static_cast<float*>(tensor.data()), tensor.bytes() / 4)) {
        x = static_cast<float>(random.real());
      }
      break;
    }
    case DataType::kInt32: fill_integers<int32_t>(tensor, random); break;
    case DataType::kInt64: fill_integers<int64_t>(tensor, random); break;
    case DataType::kInt8:
    case DataType::kUInt8: fill_integers<uint8_t>(tensor, random); break;
    case DataType::kUInt32: fill_integers<uint32_t>(tensor, random); break;
    case DataType::kUInt64: fill_integers<uint64_t>(tensor, random); break;
    case DataType::kBool: fill_bytes(tensor, random, 1); break;
    case DataType::kInt4:
    case DataType::kUInt4:
    case DataType::kFloat4E2M1: fill_bytes(tensor, random, 15); break;
    case DataType::kInt2:
    case DataType::kUInt2: fill_bytes(tensor, random, 3); break;
    default: fill_bytes(tensor, random, 255); break;
  }
  return tensor;
}

std::optional<Tensor> random_tensor(const TensorInfo& info, Random& random) {
  Shape shape = info.shape;
  if (!info.has_rank) shape.assign(random.below(3), -1);
  for (int64_t& extent : shape) {
    if (extent < 0) extent = static_cast<int64_t>(random.below(5));
  }
  if (element_count(shape) > kMostElements) return std::nullopt;
  return random_tensor(info.dtype, shape, random);
}

std::optional<Value> random_value(const TensorInfo& info, Random& random) {
  const bool is_optional =
      info.kind == ValueKind::kOptionalTensor || info.kind == ValueKind::kOptionalSequence;
  if (is_optional && random.one_in(3)) return Value();
  if (info.kind == ValueKind::kTensor || info.kind == ValueKind::kOptionalTensor) {
    std::optional<Tensor> tensor = random_tensor(info, random);
    return tensor ? std::optional<Value>(*std::move(tensor)) : std::nullopt;
  }
  std::vector<Tensor> tensors;
  for (size_t i = random.below(4); i > 0; --i) {
    std::optional<Tensor> tensor = random_tensor(info, random);
    if (!tensor) return std::nullopt;
    tensors.push_back(*std::move(tensor));
  }
  return Value::sequence(std::move(tensors));
}

}  // namespace

uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int64_t Random::integer() {
  static constexpr std::array<int64_t, 20> kBorders = {std::numeric_limits<int64_t>::min(),
                                                       std::numeric_limits<int64_t>::max(),
                                                       std::numeric_limits<int32_t>::min(),
                                                       std::numeric_limits<int32_t>::max(),
                                                       int64_t{1} << 32,
                                                       (int64_t{1} << 32) + 1,
                                                       int64_t{1} << 62,
                                                       std::numeric_limits<int64_t>::max() / 2,
                                                       std::numeric_limits<int64_t>::min() + 1,
                                                       -(int64_t{1} << 62),
                                                       100000,
                                                       65536,
                                                       32768,
                                                       -32769,
                                                       256,
                                                       255,
                                                       127,
                                                       -128,
                                                       64,
                                                       13};
  if (one_in(6)) return kBorders[below(kBorders.size())];
  return static_cast<int64_t>(below(10)) - 3;
}

double Random::real() {
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static constexpr std::array<double, 14> kBorders = {std::numeric_limits<double>::quiet_NaN(),
                                                      kInfinity,
                                                      -kInfinity,
                                                      0.0,
                                                      -0.0,
                                                      1e30,
                                                      -1e30,
                                                      3.4e38,
                                                      1e-40,
                                                      2147483648.0,
                                                      -9.3e18,
                                                      1.9e19,
                                                      0.5,
                                                      300.0};
  if (one_in(6)) return kBorders[below(kBorders.size())];
  return static_cast<double>(static_cast<int64_t>(below(2001)) - 1000) / 250.0;
}

uint64_t seed_of(Bytes model) {
  onnx::ModelProto proto;
  if (proto.ParseFromArray(model.data(), static_cast<int>(model.size()))) {
    return static_cast<uint64_t>(proto.model_version());
  }
  return model.size();
}

std::optional<std::map<std::string, Value>> random_inputs(const Engine& engine, Random& random) {
  std::map<std::string, Value> inputs;
  std::map<std::string, int64_t> extents;  // a name stands for one number
  for (TensorInfo info : engine.inputs()) {
    for (size_t i = 0; i < info.shape.size(); ++i) {
      if (info.shape[i] >= 0 || info.kind != ValueKind::kTensor) continue;
      const int64_t extent = static_cast<int64_t>(random.below(5));
      info.shape[i] = extents.emplace(info.dims[i], extent).first->second;
    }
    std::optional<Value> value = random_value(info, random);
    if (!value) return std::nullopt;
    inputs[info.name] = *std::move(value);
  }
  return inputs;
}

}  // namespace penstock::fuzz
