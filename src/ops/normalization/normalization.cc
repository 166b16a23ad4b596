// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/normalization.h"

#include <cmath>

namespace penstock::ops {

AxisSplit split_at(const Shape& shape, int64_t axis) {
  AxisSplit split;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    (i < axis ? split.outer : i == axis ? split.extent : split.inner) *= shape[i];
  }
  return split;
}

void normalize_row(double* row, int64_t size, double epsilon, bool centred) {
  const double count = static_cast<double>(size);
  double mean = 0.0;
  for (int64_t i = 0; centred && i < size; ++i) mean += row[i] / count;
  double variance = 0.0;
  for (int64_t i = 0; i < size; ++i) variance += (row[i] - mean) * (row[i] - mean) / count;
  for (int64_t i = 0; i < size; ++i) row[i] = (row[i] - mean) / std::sqrt(variance + epsilon);
}

Status infer_same_floating(InferContext& context) {
  if (!is_floating(context.dtype(0))) {
    return context.error("takes floating-point elements, not " +
                         std::string(to_string(context.dtype(0))));
  }
  context.set_output(0, context.dtype(0), context.shape(0));
  return Status::ok();
}

Status check_vector(InferContext& context, size_t i, const ir::Dim& extent) {
  if (!context.has_input(i)) return Status::ok();
  const ir::SymbolicShape& shape = context.shape(i);
  const bool differs =
      shape.size() == 1 && shape[0].is_constant() && extent.is_constant() && !(shape[0] == extent);
  if (shape.size() == 1 && !differs) return Status::ok();
  return context.error("input " + std::to_string(i) + " has shape " + ir::to_string(shape) +
                       ", must be [" + extent.to_string() + "]");
}

}  // namespace penstock::ops
