// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>

#include "ops/quantized_product.h"
#include "ops/testing.h"

namespace penstock::ops::test {

// What a product of 8 bits does besides its sums, for tests that try all of it.
struct QuantizedCase {
  DataType x = DataType::kUInt8;
  int64_t x_zero_point = 0;
  int64_t w_limit = 127;  // weights lie within +-w_limit
  DataType y = DataType::kFloat32;
  int64_t y_zero_point = 0;
  std::string epilogue = "";
  DataType operand = DataType::kUndefined;  // of input 4, of the result's shape
  bool bias = true;
  bool one_scale = false;

  std::string text() const {
    return std::string(to_string(x)) + "-" + std::to_string(x_zero_point) + " to " +
           std::string(to_string(y)) + " " + epilogue;
  }
};

// Every kind of operand and result once, and what is added to results of 8 bits.
inline std::vector<QuantizedCase> quantized_cases(int64_t w_limit) {
  constexpr auto kInt8 = DataType::kInt8;
  constexpr auto kUInt8 = DataType::kUInt8;
  constexpr auto kFloat = DataType::kFloat32;
  return {
      {kUInt8, 0, w_limit},
      {kUInt8, 121, w_limit, kUInt8, 7},
      {kInt8, 0, w_limit, kInt8, 0, "relu"},
      {kInt8, -128, w_limit, kInt8, -128},
      {kInt8, 3, w_limit, kFloat, 0, "gelu", DataType::kUndefined, false},
      {kUInt8, 0, w_limit, kUInt8, 0, "", DataType::kUndefined, true, true},
      {kUInt8, 0, w_limit, kUInt8, 0, "add(4,0.02,128);relu", kUInt8},
      {kUInt8, 5, w_limit, kInt8, -3, "round(0.03,-100,155);add(4,0.05,-1)", kInt8},
      {kInt8, 0, w_limit, kUInt8, 0, "add(4);relu", kFloat},
      {kUInt8, 0, w_limit, kInt8, 0, "silu;mul(4,0.03,0)", kInt8},
      {kUInt8, 0, w_limit, kInt8, 0, "leaky_relu(0.1);round(0.02,-128,127);clip(-1,1)"},
  };
}

// Completes a node of x, w and attributes: inputs 2 to 4 and the result. `terms` products make a
// sum, which are about 1 once scaled; the result has `shape`, with its channels along one axis.
inline void complete(OpCase& c, const QuantizedCase& q, int64_t terms, int64_t channels,
                     const Shape& shape) {
  const double spread = 128.0 * static_cast<double>(q.w_limit) * std::sqrt(terms);
  c.inputs.resize(4);
  if (q.bias) c.inputs[kProductBias] = random_tensor(DataType::kFloat32, {channels}, 3);
  c.inputs[kProductScale] = random_tensor(DataType::kFloat32, {q.one_scale ? 1 : channels}, 4,
                                          0.5 / spread, 2.0 / spread);
  if (q.operand != DataType::kUndefined) {
    c.inputs.push_back(
        q.operand == DataType::kFloat32
            ? random_tensor(q.operand, shape, 5)
            : random_tensor(q.operand, shape, 5, q.operand == DataType::kInt8 ? -128 : 0, 127));
  }
  if (q.x_zero_point != 0) c.attributes.set("x_zero_point", q.x_zero_point);
  if (!q.epilogue.empty()) c.attributes.set("epilogue", q.epilogue);
  if (q.y != DataType::kFloat32) {
    c.attributes.set("output_dtype", static_cast<int64_t>(q.y));
    c.attributes.set("y_scale", 0.02f);
    c.attributes.set("y_zero_point", q.y_zero_point);
  }
  c.output_types = {q.y};
  c.constants = {1, kProductScale};
  if (q.bias) c.constants.push_back(kProductBias);
}

inline HostTensor random_bytes(DataType type, Shape shape, uint32_t seed) {
  const bool is_signed = type == DataType::kInt8;
  return random_tensor(type, std::move(shape), seed, is_signed ? -128 : 0, is_signed ? 127 : 255);
}

}  // namespace penstock::ops::test
