// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "backends/tactic.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// The sizes of one fused attention and where its rows are, whatever its layout. Offsets and strides
// are in elements.
struct AttentionShape {
  int64_t batch = 0;
  int64_t heads = 0;
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t head_size = 0;
  int64_t value_size = 0;
  double scale = 1.0;
  bool causal = false;
  bool nan_to_zero = false;  // rows whose keys are all hidden give 0

  // Row s of head h in batch item b begins at first + b * batch_stride + h * head_stride +
  // s * row_stride.
  struct Rows {
    int64_t first = 0;
    int64_t batch_stride = 0;
    int64_t head_stride = 0;
    int64_t row_stride = 0;
    int64_t at(int64_t b, int64_t h, int64_t s) const {
      return first + b * batch_stride + h * head_stride + s * row_stride;
    }
  };
  Rows q, k, v, out;
  Shape out_shape;
  // Strides of the mask seen as [mask_batches, heads, queries, keys]; all 0 without one. Batch item
  // b uses item b % mask_batches.
  std::array<int64_t, 4> mask = {};
  int64_t mask_batches = 1;
  int64_t mask_at(int64_t b, int64_t h, int64_t i, int64_t j) const {
    return b % mask_batches * mask[0] + h * mask[1] + i * mask[2] + j * mask[3];
  }
};

// An error where the operands contradict each other or the attributes.
Result<AttentionShape> attention_shape(const ir::Attributes& attributes, const Shape& q,
                                       const Shape& k, const Shape& v, const Shape* mask);

extern const OpDefinition kAttention;
extern const OpDefinition kLinearAttention;

}  // namespace penstock::ops
