// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

// A row-major tensor cut at an axis: [outer, extent, inner].
struct AxisSplit {
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
};
AxisSplit split_at(const Shape& shape, int64_t axis);

// row = (row - mean) / sqrt(variance + epsilon); not centred, the mean counts as 0.
void normalize_row(double* row, int64_t size, double epsilon, bool centred = true);

// The rule of operators whose output is like input 0, floating; extents may be anything.
Status infer_same_floating(InferContext& context);
// An error where a known extent of input i is not what it must be.
Status check_vector(InferContext& context, size_t i, const ir::Dim& extent);

extern const OpDefinition kBatchNormalization;
extern const OpDefinition kInstanceNormalization;
extern const OpDefinition kGroupNormalization;
extern const OpDefinition kLayerNormalization;
extern const OpDefinition kRmsNormalization;
extern const OpDefinition kLpNormalization;
extern const OpDefinition kMeanVarianceNormalization;
extern const OpDefinition kLrn;
extern const OpDefinition kSoftmax;
extern const OpDefinition kLogSoftmax;
extern const OpDefinition kHardmax;

}  // namespace penstock::ops
