// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/normalization.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// Scale and bias broadcast to the normalised axes of x.
Status check_scale(InferContext& context, size_t i) {
  if (!context.has_input(i)) return Status::ok();
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& scale = context.shape(i);
  bool fits = scale.size() <= x.size();
  for (size_t k = 0; fits && k < scale.size(); ++k) {
    const ir::Dim& mine = scale[scale.size() - 1 - k];
    const ir::Dim& other = x[x.size() - 1 - k];
    fits = !mine.is_constant() || mine.is_constant(1) || !other.is_constant() || mine == other;
  }
  if (fits) return Status::ok();
  return context.error("input " + std::to_string(i) + " has shape " + ir::to_string(scale) +
                       ", which does not broadcast to " + ir::to_string(x));
}

Status infer_layer_norm(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(context.attributes().get_int("axis", -1), context.rank(0))
          .status());
  PENSTOCK_RETURN_IF_ERROR(check_scale(context, 1));
  PENSTOCK_RETURN_IF_ERROR(check_scale(context, 2));
  if (context.has_output(1)) {
    if (!context.has_input(3)) {
      return {StatusCode::kUnsupported,
              "the outputs Mean and InvStdDev are for training: remove their uses"};
    }
    context.set_output(1, context.dtype(0), context.shape(0));
  }
  if (context.has_input(3) && context.rank(3) != context.rank(0)) {
    return context.error("the residual has shape " + ir::to_string(context.shape(3)) + ", x has " +
                         ir::to_string(context.shape(0)));
  }
  return infer_same_floating(context);
}

Status check_broadcast(const TensorView& from, const Shape& to) {
  PENSTOCK_ASSIGN_OR_RETURN(const Shape broadcast, broadcast_shapes(*from.shape, to));
  if (broadcast == to) return Status::ok();
  return {StatusCode::kInvalidArgument, "a scale or bias of shape " + to_string(*from.shape) +
                                            " does not broadcast to " + to_string(to)};
}

// y = y * scale + bias, both broadcast to the shape of y.
void scale_and_shift(std::vector<double>& values, const Shape& shape, const TensorView& scale,
                     const TensorView* bias) {
  const std::vector<double> factors = read_reals(scale);
  const std::vector<int64_t> factor_at = broadcast_strides(*scale.shape, shape);
  std::vector<double> addends = {0.0};
  std::vector<int64_t> addend_at(shape.size(), 0);
  if (bias != nullptr) {
    addends = read_reals(*bias);
    addend_at = broadcast_strides(*bias->shape, shape);
  }
  size_t i = 0;
  for_each_index(shape, [&](const auto& index) {
    values[i] = values[i] * factors[dot(index, factor_at)] + addends[dot(index, addend_at)];
    ++i;
  });
}

Status reference_layer_norm(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const Shape& shape = *x.shape;
  const bool is_rms = node.op == "RMSNormalization";
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(shape.size())));
  std::vector<double> values = read_reals(x);
  if (!is_rms && run.has_input(3)) {
    const std::vector<double> residual = read_reals(run.input(3));
    if (*run.input(3).shape != shape) {
      return {StatusCode::kInvalidArgument, "the residual has shape " +
                                                to_string(*run.input(3).shape) + ", x has " +
                                                to_string(shape)};
    }
    for (size_t i = 0; i < values.size(); ++i) values[i] += residual[i];
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  if (!is_rms && run.has_output(1)) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView sum, run.output(1, shape));
    PENSTOCK_RETURN_IF_ERROR(write_reals(values, sum));
  }
  const AxisSplit split = split_at(shape, axis);
  const int64_t size = split.extent * split.inner;
  const double epsilon = node.attributes.get_float("epsilon", 1e-5f);
  for (int64_t i = 0; i < split.outer && size > 0; ++i) {
    normalize_row(&values[i * size], size, epsilon, !is_rms);
  }
  const bool has_bias = !is_rms && run.has_input(2);
  PENSTOCK_RETURN_IF_ERROR(check_broadcast(run.input(1), shape));
  if (has_bias) PENSTOCK_RETURN_IF_ERROR(check_broadcast(run.input(2), shape));
  scale_and_shift(values, shape, run.input(1), has_bias ? &run.input(2) : nullptr);
  return write_reals(values, y);
}

Status infer_rms_norm(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(context.attributes().get_int("axis", -1), context.rank(0))
          .status());
  PENSTOCK_RETURN_IF_ERROR(check_scale(context, 1));
  return infer_same_floating(context);
}

}  // namespace

const OpDefinition kLayerNormalization = {.name = "LayerNormalization",
                                          .min_inputs = 2,
                                          .max_inputs = 4,
                                          .outputs = 2,
                                          .infer = infer_layer_norm,
                                          .reference = reference_layer_norm};
const OpDefinition kRmsNormalization = {.name = "RMSNormalization",
                                        .min_inputs = 2,
                                        .max_inputs = 2,
                                        .infer = infer_rms_norm,
                                        .reference = reference_layer_norm,
                                        .in_place = true};

}  // namespace penstock::ops
