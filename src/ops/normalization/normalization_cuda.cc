// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/normalization_cuda.h"

#include <limits>

#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/normalization/normalization.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;
using ir::Layout;

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();  // blocks, and elements of a row

Result<int64_t> axis_of(const NodeFacts& node) {
  return InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                      static_cast<int64_t>(node.inputs[0].shape.size()));
}

// True where `vector`, broadcast to `shape`, is one row from `axis` on that repeats before it.
bool is_row(const Shape& vector, const Shape& shape, int64_t axis) {
  const size_t columns = shape.size() - static_cast<size_t>(axis);
  for (size_t i = 0; i < std::max(vector.size(), columns); ++i) {
    const int64_t mine = i < vector.size() ? vector[vector.size() - 1 - i] : 1;
    if (mine != (i < columns ? shape[shape.size() - 1 - i] : 1)) return false;
  }
  return true;
}

// --- LayerNormalization, RMSNormalization

Result<LayerNormArguments> layer_norm_arguments(const NodeFacts& node) {
  const Operand& x = node.inputs[0];
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node));
  LayerNormArguments a;
  a.is_rms = node.op == "RMSNormalization";
  a.type = x.dtype;
  a.scale_type = node.inputs[1].dtype;
  a.epsilon = node.attributes.get_float("epsilon", 1e-5f);
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  if (a.scale_type != a.type && a.scale_type != DataType::kFloat32) {
    return refuse("the scale is of another type than x, and not float32");
  }
  for (size_t i = 1; i <= 2; ++i) {
    if (!node.has_input(i)) continue;
    if (!is_row(node.inputs[i].shape, x.shape, axis)) {
      return refuse("scale or bias repeats along a row");
    }
    if (node.inputs[i].dtype != a.scale_type) return refuse("scale and bias differ in type");
  }
  if (node.has_input(3) && (node.inputs[3].shape != x.shape || node.inputs[3].dtype != x.dtype)) {
    return refuse("the residual has another shape or type");
  }
  const AxisSplit split = split_at(x.shape, axis);
  a.rows = split.outer;
  a.columns = split.extent * split.inner;
  if (a.rows > kMost || a.columns > kMost) return refuse("more than 2^31 rows or columns");
  return a;
}

Offer offer_layer_norm(const NodeFacts& node) {
  const Result<LayerNormArguments> arguments = layer_norm_arguments(node);
  return arguments.is_ok() ? Offer::plain(node) : Offer::refuse(arguments.status().message());
}

Result<CudaLaunch> bind_layer_norm(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const LayerNormArguments bound, layer_norm_arguments(node));
  return CudaLaunch([bound, shape = node.inputs[0].shape](KernelRun& run, cudaStream_t stream) {
    LayerNormArguments a = bound;
    a.x = run.input(0).data;
    a.scale = run.input(1).data;
    if (run.has_input(2)) a.bias = run.input(2).data;
    if (run.has_input(3)) a.residual = run.input(3).data;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.y = y.data;
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView sum, run.output(1, shape));
      a.sum = sum.data;
    }
    launch_layer_norm(a, stream);
    return Status::ok();
  });
}

// --- Softmax, LogSoftmax, LpNormalization

Result<AxisNormArguments> axis_norm_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node));
  const AxisSplit split = split_at(node.inputs[0].shape, axis);
  AxisNormArguments a;
  a.kind = node.op == "Softmax"                   ? AxisNorm::kSoftmax
           : node.op == "LogSoftmax"              ? AxisNorm::kLogSoftmax
           : node.attributes.get_int("p", 2) == 1 ? AxisNorm::kL1
                                                  : AxisNorm::kL2;
  a.type = node.inputs[0].dtype;
  a.outer = split.outer;
  a.extent = split.extent;
  a.inner = split.inner;
  if (a.outer > 0 && a.inner > kMost / a.outer) return refuse("more than 2^31 lines");
  return a;
}

Offer offer_axis_norm(const NodeFacts& node) {
  return plain_or_refuse(node, axis_norm_arguments(node).status());
}

Result<CudaLaunch> bind_axis_norm(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const AxisNormArguments bound, axis_norm_arguments(node));
  return make_launch(bound, node.inputs[0].shape, launch_axis_norm);
}

// --- BatchNormalization, InstanceNormalization, GroupNormalization, LRN

// Vectors from input 1 on: `wanted` numbers each.
Status check_vectors(const NodeFacts& node, size_t count, int64_t wanted) {
  for (size_t i = 1; i <= count; ++i) {
    if (!is_device_float(node.inputs[i].dtype)) {
      return refuse("a vector of type " + std::string(to_string(node.inputs[i].dtype)));
    }
    if (element_count(node.inputs[i].shape) != wanted) {
      return refuse("a scale, bias, mean or variance has not " + std::to_string(wanted) +
                    " elements");
    }
  }
  return Status::ok();
}

template <typename Arguments>
Status set_extents(const NodeFacts& node, Arguments& a) {
  const Operand& x = node.inputs[0];
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  if (x.shape.size() < 2) return refuse("takes at least two dimensions");
  a.type = x.dtype;
  a.batch = x.shape[0];
  a.channels = x.shape[1];
  a.spatial = element_count(Shape(x.shape.begin() + 2, x.shape.end()));
  a.channels_last = x.layout == Layout::kChannelsLast;
  a.epsilon = node.attributes.get_float("epsilon", 1e-5f);
  return Status::ok();
}

Result<BatchNormArguments> batch_norm_arguments(const NodeFacts& node) {
  BatchNormArguments a;
  PENSTOCK_RETURN_IF_ERROR(set_extents(node, a));
  PENSTOCK_RETURN_IF_ERROR(check_vectors(node, 4, a.channels));
  return a;
}

Result<GroupNormArguments> group_norm_arguments(const NodeFacts& node) {
  GroupNormArguments a;
  PENSTOCK_RETURN_IF_ERROR(set_extents(node, a));
  a.groups =
      node.op == "GroupNormalization" ? node.attributes.get_int("num_groups", 1) : a.channels;
  if (a.groups < 1 || a.channels % a.groups != 0) return refuse("groups do not divide channels");
  a.group_scales = element_count(node.inputs[1].shape) == a.groups;
  PENSTOCK_RETURN_IF_ERROR(check_vectors(node, 2, a.group_scales ? a.groups : a.channels));
  if (a.channels / a.groups * a.spatial > kMost || a.batch * a.groups > kMost) {
    return refuse("more than 2^31 groups, or elements of one");
  }
  return a;
}

Offer offer_batch_norm(const NodeFacts& node) {
  return both_layouts_or_refuse(node, batch_norm_arguments(node).status());
}

Result<LocalNormArguments> local_norm_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const Operand& x = node.inputs[0];
  const int64_t size = node.attributes.get_int("size", 1);
  if (x.shape.size() < 2 || size < 1) return refuse("takes batch and channels, and a size");
  const AxisSplit split = split_at(x.shape, 1);
  LocalNormArguments a;
  a.type = x.dtype;
  a.batch = split.outer;
  a.channels = split.extent;
  a.spatial = split.inner;
  a.channels_last = x.layout == Layout::kChannelsLast;
  a.before = (size - 1) / 2;
  a.after = size / 2;
  a.alpha = node.attributes.get_float("alpha", 1e-4f) / static_cast<float>(size);
  a.beta = node.attributes.get_float("beta", 0.75f);
  a.bias = node.attributes.get_float("bias", 1.0f);
  return a;
}

Offer offer_local_norm(const NodeFacts& node) {
  return both_layouts_or_refuse(node, local_norm_arguments(node).status());
}

Offer offer_group_norm(const NodeFacts& node) {
  return both_layouts_or_refuse(node, group_norm_arguments(node).status());
}

ChannelVector vector_of(const KernelRun& run, size_t i) {
  return {run.input(i).data, run.input(i).dtype};
}

Result<CudaLaunch> bind_batch_norm(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const BatchNormArguments bound, batch_norm_arguments(node));
  return make_launch(bound, node.inputs[0].shape, launch_batch_norm,
                     [](BatchNormArguments& a, const KernelRun& run) {
                       a.scale = vector_of(run, 1);
                       a.bias = vector_of(run, 2);
                       a.mean = vector_of(run, 3);
                       a.variance = vector_of(run, 4);
                     });
}

Result<CudaLaunch> bind_group_norm(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const GroupNormArguments bound, group_norm_arguments(node));
  return make_launch(bound, node.inputs[0].shape, launch_group_norm,
                     [](GroupNormArguments& a, const KernelRun& run) {
                       a.scale = vector_of(run, 1);
                       a.bias = vector_of(run, 2);
                     });
}

Result<CudaLaunch> bind_local_norm(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const LocalNormArguments bound, local_norm_arguments(node));
  return make_launch(bound, node.inputs[0].shape, launch_local_norm);
}

}  // namespace

TacticList normalization_cuda_tactics() {
  static const CudaTactic kLayerNorm("cuda.layer_norm", offer_layer_norm, bind_layer_norm,
                                     {.in_place = true});
  static const CudaTactic kAxisNorm("cuda.axis_norm", offer_axis_norm, bind_axis_norm,
                                    {.in_place = true});
  static const CudaTactic kBatchNorm("cuda.batch_norm", offer_batch_norm, bind_batch_norm,
                                     {.in_place = true});
  static const CudaTactic kGroupNorm("cuda.group_norm", offer_group_norm, bind_group_norm,
                                     {.in_place = true});
  // Not in place: its neighbours read an element too.
  static const CudaTactic kLocalNorm("cuda.local_norm", offer_local_norm, bind_local_norm);
  return {{"LRN", &kLocalNorm},
          {"LayerNormalization", &kLayerNorm},
          {"RMSNormalization", &kLayerNorm},
          {"Softmax", &kAxisNorm},
          {"LogSoftmax", &kAxisNorm},
          {"LpNormalization", &kAxisNorm},
          {"BatchNormalization", &kBatchNorm},
          {"InstanceNormalization", &kGroupNorm},
          {"GroupNormalization", &kGroupNorm}};
}

}  // namespace penstock::ops
