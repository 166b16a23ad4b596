// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/normalization/normalization.h"
#include "ops/real_values.h"
#include "ops/reduction/reduction.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_lp(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(context.attributes().get_int("axis", -1), context.rank(0))
          .status());
  const int64_t p = context.attributes().get_int("p", 2);
  if (p != 1 && p != 2) return context.error("p must be 1 or 2, is " + std::to_string(p));
  return infer_same_floating(context);
}

Status reference_lp(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(x.shape->size())));
  const bool squares = node.attributes.get_int("p", 2) == 2;
  std::vector<double> values = read_reals(x);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  std::vector<bool> along(x.shape->size(), false);
  along[axis] = true;
  const ReductionIndex index = reduction_index(*x.shape, along);
  for (int64_t start : index.starts) {
    double norm = 0.0;
    for (int64_t step : index.steps) {
      const double value = values[start + step];
      norm += squares ? value * value : std::abs(value);
    }
    if (squares) norm = std::sqrt(norm);
    // A row of zeros stays one.
    for (int64_t step : index.steps) values[start + step] /= norm == 0.0 ? 1.0 : norm;
  }
  return write_reals(values, y);
}

Result<std::vector<bool>> mean_variance_axes(const ir::Attributes& attributes, size_t rank) {
  const std::vector<int64_t> axes = attributes.get_ints("axes", {0, 2, 3});
  return reduced_axes(attributes, axes, static_cast<int64_t>(rank));
}

Status infer_mean_variance(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(
      mean_variance_axes(context.attributes(), context.shape(0).size()).status());
  return infer_same_floating(context);
}

Status reference_mean_variance(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> along,
                            mean_variance_axes(node.attributes, x.shape->size()));
  std::vector<double> values = read_reals(x);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const ReductionIndex index = reduction_index(*x.shape, along);
  const double count = static_cast<double>(index.steps.size());
  for (int64_t start : index.starts) {
    double mean = 0.0;
    for (int64_t step : index.steps) mean += values[start + step] / count;
    double variance = 0.0;
    for (int64_t step : index.steps) variance += std::pow(values[start + step] - mean, 2) / count;
    // The epsilon of ONNX's function body: it is added to the deviation, not to the variance.
    const double deviation = std::sqrt(variance) + 1e-9;
    for (int64_t step : index.steps)
      values[start + step] = (values[start + step] - mean) / deviation;
  }
  return write_reals(values, y);
}

Status infer_lrn(InferContext& context) {
  if (context.rank(0) < 2) return context.error("takes at least two dimensions: batch, channels");
  if (context.attributes().get_int("size", 0) < 1) return context.error("size must be positive");
  return infer_same_floating(context);
}

Status reference_lrn(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const std::vector<double> values = read_reals(x);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const AxisSplit at = split_at(*x.shape, 1);
  const int64_t size = node.attributes.get_int("size", 1);
  const double alpha = node.attributes.get_float("alpha", 1e-4f);
  const double beta = node.attributes.get_float("beta", 0.75f);
  const double bias = node.attributes.get_float("bias", 1.0f);
  std::vector<double> result(values.size());
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    const int64_t c = (i / at.inner) % at.extent;
    const int64_t first = std::max<int64_t>(0, c - (size - 1) / 2);
    const int64_t last = std::min(at.extent - 1, c + size / 2);
    double squares = 0.0;
    for (int64_t k = first; k <= last; ++k) squares += std::pow(values[i + (k - c) * at.inner], 2);
    result[i] = values[i] / std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
  }
  return write_reals(result, y);
}

}  // namespace

const OpDefinition kLpNormalization = {.name = "LpNormalization",
                                       .min_inputs = 1,
                                       .max_inputs = 1,
                                       .infer = infer_lp,
                                       .reference = reference_lp,
                                       .in_place = true};
const OpDefinition kMeanVarianceNormalization = {.name = "MeanVarianceNormalization",
                                                 .min_inputs = 1,
                                                 .max_inputs = 1,
                                                 .infer = infer_mean_variance,
                                                 .reference = reference_mean_variance,
                                                 .in_place = true};
const OpDefinition kLrn = {.name = "LRN",
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .infer = infer_lrn,
                           .reference = reference_lrn,
                           .in_place = true};

}  // namespace penstock::ops
