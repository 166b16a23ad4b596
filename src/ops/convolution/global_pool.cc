// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/epilogue.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// [N, C, spatial...] -> [N, C, 1...].
Status infer_global_pool(InferContext& context) {
  ir::SymbolicShape y = context.shape(0);
  if (y.size() < 2) {
    return context.error("x of shape " + ir::to_string(y) + " is not [N, C, spatial...]");
  }
  std::fill(y.begin() + 2, y.end(), ir::Dim(1));
  context.set_output(0, context.dtype(0), std::move(y));
  return Status::ok();
}

// reduce(plane, count) for each of the N * C planes.
template <typename Reduce>
Status reduce_planes(KernelRun& run, Reduce&& reduce) {
  const Shape& x_shape = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, read_doubles(run.input(0)));
  const int64_t area = element_count(spatial_of(x_shape));
  Shape y_shape = x_shape;
  std::fill(y_shape.begin() + 2, y_shape.end(), 1);
  std::vector<double> y(element_count(y_shape));
  for (size_t i = 0; i < y.size(); ++i) y[i] = reduce(x.data() + i * area, area);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView output, run.output(0, y_shape));
  return write_doubles(y, output);
}

Status run_global_average_pool(const NodeFacts&, KernelRun& run) {
  return reduce_planes(run, [](const double* plane, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += plane[i];
    return sum / static_cast<double>(count);
  });
}

Status run_global_max_pool(const NodeFacts&, KernelRun& run) {
  return reduce_planes(run, [](const double* plane, int64_t count) {
    double best = -HUGE_VAL;
    for (int64_t i = 0; i < count; ++i) best = std::max(best, plane[i]);
    return best;
  });
}

}  // namespace

const OpDefinition kGlobalAveragePool = {.name = "GlobalAveragePool",
                                         .min_inputs = 1,
                                         .max_inputs = 1,
                                         .infer = infer_global_pool,
                                         .reference = run_global_average_pool};
const OpDefinition kGlobalMaxPool = {.name = "GlobalMaxPool",
                                     .min_inputs = 1,
                                     .max_inputs = 1,
                                     .infer = infer_global_pool,
                                     .reference = run_global_max_pool};

}  // namespace penstock::ops
