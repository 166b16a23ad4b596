// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Normalisations of [N, C, ...] tensors with a scale and a bias for each channel.
#include <cmath>

#include "ops/normalization/normalization.h"
#include "ops/real_values.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_channel_norm(InferContext& context, size_t vectors) {
  if (context.rank(0) < 2) return context.error("takes at least two dimensions: batch, channels");
  for (size_t i = 1; i <= vectors; ++i) {
    PENSTOCK_RETURN_IF_ERROR(check_vector(context, i, context.shape(0)[1]));
  }
  return infer_same_floating(context);
}

Status infer_batch_norm(InferContext& context) {
  if (context.attributes().get_int("training_mode") != 0 || context.has_output(1)) {
    return {StatusCode::kUnsupported,
            "training mode is not for inference: export the model in evaluation mode"};
  }
  return infer_channel_norm(context, 4);
}

Status infer_instance_norm(InferContext& context) { return infer_channel_norm(context, 2); }

Status infer_group_norm(InferContext& context) {
  const int64_t groups = context.attributes().get_int("num_groups", 0);
  if (context.rank(0) < 2) return context.error("takes at least two dimensions: batch, channels");
  const ir::Dim& channels = context.shape(0)[1];
  if (groups < 1 || (channels.is_constant() && channels.constant() % groups != 0)) {
    return context.error("num_groups = " + std::to_string(groups) + " does not divide " +
                         channels.to_string() + " channels");
  }
  for (size_t i = 1; i <= 2; ++i) {
    // Opset 18 has one scale for each group, opset 21 one for each channel.
    if (context.shape(i).size() == 1 && context.shape(i)[0].is_constant(groups)) continue;
    PENSTOCK_RETURN_IF_ERROR(check_vector(context, i, channels));
  }
  return infer_same_floating(context);
}

// Where the elements of an [N, C, spatial...] tensor are.
struct Channels {
  int64_t batch;
  int64_t channels;
  int64_t spatial;
  explicit Channels(const Shape& shape) : batch(shape[0]), channels(shape[1]), spatial(1) {
    for (size_t i = 2; i < shape.size(); ++i) spatial *= shape[i];
  }
};

// Shapes that inference could not compare are compared here.
Status check_size(const NodeFacts& node, const std::vector<double>& vector, int64_t wanted) {
  if (static_cast<int64_t>(vector.size()) == wanted) return Status::ok();
  return {StatusCode::kInvalidArgument, node.op + ": a scale, bias, mean or variance has " +
                                            std::to_string(vector.size()) +
                                            " elements, must have " + std::to_string(wanted)};
}

Status reference_batch_norm(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  std::vector<double> values = read_reals(x);
  const std::vector<double> scale = read_reals(run.input(1));
  const std::vector<double> bias = read_reals(run.input(2));
  const std::vector<double> mean = read_reals(run.input(3));
  const std::vector<double> variance = read_reals(run.input(4));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const double epsilon = node.attributes.get_float("epsilon", 1e-5f);
  const Channels at(*x.shape);
  for (const std::vector<double>* vector : {&scale, &bias, &mean, &variance}) {
    PENSTOCK_RETURN_IF_ERROR(check_size(node, *vector, at.channels));
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t c = (i / at.spatial) % at.channels;
    values[i] = (values[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c];
  }
  return write_reals(values, y);
}

// Instance normalisation is group normalisation with a group for each channel.
Status reference_group_norm(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  std::vector<double> values = read_reals(x);
  const std::vector<double> scale = read_reals(run.input(1));
  const std::vector<double> bias = read_reals(run.input(2));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const Channels at(*x.shape);
  const int64_t groups =
      node.op == "GroupNormalization" ? node.attributes.get_int("num_groups", 1) : at.channels;
  if (values.empty()) return Status::ok();
  if (groups < 1 || at.channels % groups != 0) {
    return {StatusCode::kInvalidArgument, node.op + ": " + std::to_string(groups) +
                                              " groups do not divide " +
                                              std::to_string(at.channels) + " channels"};
  }
  const int64_t per_group = at.channels / groups;
  const int64_t size = per_group * at.spatial;
  const double epsilon = node.attributes.get_float("epsilon", 1e-5f);
  for (size_t first = 0; first < values.size(); first += size) {
    normalize_row(&values[first], size, epsilon);
  }
  const bool group_scales = static_cast<int64_t>(scale.size()) == groups;
  PENSTOCK_RETURN_IF_ERROR(check_size(node, scale, group_scales ? groups : at.channels));
  PENSTOCK_RETURN_IF_ERROR(check_size(node, bias, group_scales ? groups : at.channels));
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = (i / at.spatial) % at.channels;
    const size_t c = group_scales ? channel / per_group : channel;
    values[i] = values[i] * scale[c] + bias[c];
  }
  return write_reals(values, y);
}

}  // namespace

const OpDefinition kBatchNormalization = {.name = "BatchNormalization",
                                          .min_inputs = 5,
                                          .max_inputs = 5,
                                          .infer = infer_batch_norm,
                                          .reference = reference_batch_norm,
                                          .in_place = true};
const OpDefinition kInstanceNormalization = {.name = "InstanceNormalization",
                                             .min_inputs = 3,
                                             .max_inputs = 3,
                                             .infer = infer_instance_norm,
                                             .reference = reference_group_norm,
                                             .in_place = true};
const OpDefinition kGroupNormalization = {.name = "GroupNormalization",
                                          .min_inputs = 3,
                                          .max_inputs = 3,
                                          .infer = infer_group_norm,
                                          .reference = reference_group_norm,
                                          .in_place = true};

}  // namespace penstock::ops
