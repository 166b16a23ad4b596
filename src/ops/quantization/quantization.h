// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kQuantizeLinear;
extern const OpDefinition kDequantizeLinear;
extern const OpDefinition kDynamicQuantizeLinear;
extern const OpDefinition kBitCast;

// Which scale an element takes: one for all, one per index of an axis, or one per block of indices
// along it. The tensor is seen as [outer, extent, inner] around the axis.
struct ScaleMap {
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
  int64_t block = 1;  // indices of the axis that share a scale
  // Scales from one index to the next; 0 where they share one.
  int64_t outer_stride = 0;
  int64_t block_stride = 0;
  int64_t inner_stride = 0;

  // Calls visit(element, scale) for every element in row-major order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    int64_t element = 0;
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t a = 0; a < extent; ++a) {
        const int64_t scale = o * outer_stride + a / block * block_stride;
        for (int64_t i = 0; i < inner; ++i) visit(element++, scale + i * inner_stride);
      }
    }
  }
};

// From the attributes axis and block_size. Errors where the scales do not fit the tensor.
Result<ScaleMap> scale_map(const ir::Attributes& attributes, const Shape& x, const Shape& scale);
// What a shape rule can say of input 1, the scales, and of input 2, zero points of the same shape.
Status check_scales(const InferContext& context);

// Elements of any numeric type, the small ones too, as floats. None where the input is absent.
std::vector<float> read_numbers(const backends::TensorView& view);

// To the nearest integer, ties to even, within +-2^21; NaN gives the lowest. Unlike std::nearbyint
// it is arithmetic that compilers vectorize for every processor.
inline float round_even(float x) {
  constexpr float kLimit = 0x1p21f;
  constexpr float kUnits = 0x1.8p23f;  // adding it leaves no bits for a fraction
  float clamped = x > -kLimit ? x : -kLimit;
  clamped = clamped < kLimit ? clamped : kLimit;
  return (clamped + kUnits) - kUnits;
}

}  // namespace penstock::ops
