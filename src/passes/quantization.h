// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "passes/rewriter.h"

// What passes ask of QuantizeLinear and DequantizeLinear nodes whose scales are constants.
namespace penstock::passes {

// One scale and one zero point for a whole tensor of 8 bits.
struct TensorScale {
  DataType dtype = DataType::kUndefined;  // int8, uint8 or float8e4m3fn
  float scale = 1.0f;
  int64_t zero_point = 0;

  bool operator==(const TensorScale&) const = default;
  // The type's limits less the zero point; of integers.
  float low() const;
  float high() const;
};

// Of a QuantizeLinear or DequantizeLinear node; nothing where it has other scales, or another type
// of 8 bits. A QuantizeLinear must divide in float32 and saturate.
std::optional<TensorScale> tensor_scale(const ir::Node& node);
// The DequantizeLinear that makes `value`, where it has a tensor_scale; else null.
ir::Node* dequantization(const ir::Value* value);

// Scales of constants, one for all or one for each index of `axis`.
struct ConstantScales {
  std::vector<double> scales;
  std::vector<int64_t> zero_points;  // as many
  int64_t axis = 0;
};
// Of a DequantizeLinear without blocks.
std::optional<ConstantScales> constant_scales(const ir::Node& node);

}  // namespace penstock::passes
