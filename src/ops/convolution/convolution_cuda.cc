// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/convolution_cuda.h"

#include <algorithm>
#include <cstring>

#include "ops/convolution/window.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/epilogue.h"
#include "ops/reduction/reduction_cuda.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::PackedConstant;
using backends::TensorView;
using ir::Layout;

constexpr int64_t kMost = int64_t{1} << 30;  // places that kernels count in 32 bits
constexpr std::string_view kTapsFirst = "depthwise_taps_first";

Status check_counts(const Operand& operand) {
  for (int64_t extent : operand.shape) {
    if (extent > kMost) return refuse("an extent above 2^30");
  }
  if (element_count(operand.shape) > kMost) return refuse("more than 2^30 elements");
  return Status::ok();
}

// --- MaxPool, AveragePool, LpPool

Status set_window(const Window& window, const Shape& spatial, const Shape& result,
                  PoolArguments& a) {
  const size_t skipped = 3 - spatial.size();
  for (size_t i = 0; i < spatial.size(); ++i) {
    for (int64_t number : {window.kernel[i], window.strides[i], window.dilations[i],
                           window.pads_begin[i], window.pads_end[i]}) {
      if (number > int64_t{1} << 20) return refuse("a window of more than 2^20");
    }
    if (window.span(i) + window.strides[i] * result[i] > kMost) return refuse("a window too wide");
    const size_t d = skipped + i;
    a.in[d] = static_cast<int>(spatial[i]);
    a.out[d] = static_cast<int>(result[i]);
    a.kernel[d] = static_cast<int>(window.kernel[i]);
    a.stride[d] = static_cast<int>(window.strides[i]);
    a.dilation[d] = static_cast<int>(window.dilations[i]);
    a.pad_begin[d] = static_cast<int>(window.pads_begin[i]);
    a.pad_end[d] = static_cast<int>(window.pads_end[i]);
  }
  return Status::ok();
}

Result<PoolArguments> pool_arguments(const NodeFacts& node) {
  const DataType type = node.inputs[0].dtype;
  const bool is_byte = type == DataType::kInt8 || type == DataType::kUInt8;
  if (!is_byte || node.op != "MaxPool") PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  if (node.has_output(1)) return refuse("finds no indices");
  const Operand& x = node.inputs[0];
  const Shape spatial = spatial_of(x.shape);
  if (spatial.size() > 3) return refuse("more than three spatial axes");
  PENSTOCK_RETURN_IF_ERROR(check_counts(x));
  PENSTOCK_RETURN_IF_ERROR(check_counts(node.outputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, node.attributes.get_ints("kernel_shape"), spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const Shape result, output_extents(window, spatial));
  PoolArguments a;
  a.kind = node.op == "MaxPool"       ? PoolKind::kMax
           : node.op == "AveragePool" ? PoolKind::kAverage
                                      : PoolKind::kLp;
  a.type = x.dtype;
  a.channels_last = x.layout == Layout::kChannelsLast;
  a.count_padding = node.attributes.get_int("count_include_pad") != 0;
  a.p = static_cast<float>(node.attributes.get_int("p", 2));
  a.batch = x.shape[0];
  a.channels = x.shape[1];
  PENSTOCK_RETURN_IF_ERROR(set_window(window, spatial, result, a));
  return a;
}

Offer offer_pool(const NodeFacts& node) {
  return both_layouts_or_refuse(node, pool_arguments(node).status());
}

Result<CudaLaunch> bind_pool(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const PoolArguments bound, pool_arguments(node));
  return make_launch(bound, node.outputs[0].shape, launch_pool);
}

// --- GlobalAveragePool, GlobalMaxPool: reductions

Result<ReduceArguments> global_pool_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const Operand& x = node.inputs[0];
  PENSTOCK_RETURN_IF_ERROR(check_counts(x));
  const int64_t batch = x.shape[0];
  const int64_t channels = x.shape[1];
  const int64_t area = element_count(spatial_of(x.shape));
  ReduceArguments a;
  a.type = x.dtype;
  if (node.op == "GlobalMaxPool") {
    a.accumulation = Accumulation::kMax;
  } else {
    a.ending = Ending::kMean;
  }
  a.is_inner = x.layout == Layout::kPlain;
  if (a.is_inner) {
    a.kept = {1, {batch * channels}, {area}, batch * channels};
    a.reduced = {1, {area}, {1}, area};
  } else {
    a.kept = {2, {batch, channels}, {area * channels, 1}, batch * channels};
    a.reduced = {1, {area}, {channels}, area};
  }
  a.parts = reduce_parts(a);
  return a;
}

Offer offer_global_pool(const NodeFacts& node) {
  return both_layouts_or_refuse(node, global_pool_arguments(node).status());
}

Result<CudaLaunch> bind_global_pool(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ReduceArguments bound, global_pool_arguments(node));
  return make_launch(
      bound, node.outputs[0].shape, launch_reduce,
      [](ReduceArguments& a, const KernelRun& run) { a.workspace = run.workspace(); });
}

Result<size_t> global_pool_workspace(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ReduceArguments a, global_pool_arguments(node));
  return reduce_workspace_bytes(a);
}

// --- depthwise convolution

// The arguments, and the inputs that the epilogue's steps read.
struct DepthwisePlan {
  DepthwiseArguments arguments;
  int operands[kMaxDeviceSteps] = {-1, -1, -1, -1};
};

Status add_steps(const NodeFacts& node, DepthwisePlan& plan) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  if (epilogue.size() > kMaxDeviceSteps) return refuse("the epilogue has too many steps");
  DepthwiseArguments& a = plan.arguments;
  for (const EpilogueStep& step : epilogue) {
    plan.operands[a.steps] = step.is_binary() ? step.input : -1;
    a.step[a.steps++] = {step.kind, nullptr, step.a, step.b};
    if (!step.is_binary()) continue;
    if (step.input < 0 || !node.has_input(static_cast<size_t>(step.input))) {
      return refuse("the epilogue's operand is missing");
    }
    const Operand& operand = node.inputs[static_cast<size_t>(step.input)];
    if (operand.shape != node.outputs[0].shape || operand.dtype != a.type) {
      return refuse("the epilogue's operand must have the result's shape and type");
    }
  }
  return Status::ok();
}

Result<DepthwisePlan> depthwise_plan(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const Operand& x = node.inputs[0];
  const Operand& w = node.inputs[1];
  const Shape& y = node.outputs[0].shape;
  if (x.shape.size() != 4) return refuse("takes images");
  if (node.attributes.get_int("group", 1) != x.shape[1] || w.shape[0] != x.shape[1]) {
    return refuse("each channel must be a group of its own");
  }
  if (w.dtype != x.dtype) return refuse("the weights are of another type than x");
  PENSTOCK_RETURN_IF_ERROR(check_counts(x));
  PENSTOCK_RETURN_IF_ERROR(check_counts(node.outputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, spatial_of(w.shape), spatial_of(x.shape)));
  DepthwisePlan plan;
  DepthwiseArguments& a = plan.arguments;
  a.type = x.dtype;
  a.channels_last = x.layout == Layout::kChannelsLast;
  a.batch = x.shape[0];
  a.channels = x.shape[1];
  a.in_height = static_cast<int>(x.shape[2]);
  a.in_width = static_cast<int>(x.shape[3]);
  a.out_height = static_cast<int>(y[2]);
  a.out_width = static_cast<int>(y[3]);
  PENSTOCK_RETURN_IF_ERROR(set_window(window, a));
  if (node.has_input(2)) {
    a.bias_type = node.inputs[2].dtype;
    if (a.bias_type != a.type && a.bias_type != DataType::kFloat32) {
      return refuse("the bias is of another type than x, and not float32");
    }
  }
  PENSTOCK_RETURN_IF_ERROR(add_steps(node, plan));
  return plan;
}

Offer offer_depthwise(const NodeFacts& node) {
  const Result<DepthwisePlan> plan = depthwise_plan(node);
  if (!plan.is_ok()) return Offer::refuse(plan.status().message());
  Offer offer = Offer::plain(node);
  if (node.inputs[1].data == nullptr) return offer;  // weights are repacked for channels last
  backends::Form form = offer.forms[0];
  form.inputs[0] = form.outputs[0] = Layout::kChannelsLast;
  for (int input : plan->operands) {
    if (input < 0) continue;
    if (node.inputs[static_cast<size_t>(input)].data != nullptr) return offer;
    form.inputs[static_cast<size_t>(input)] = Layout::kChannelsLast;
  }
  offer.forms.insert(offer.forms.begin(), std::move(form));
  return offer;
}

Result<CudaLaunch> bind_depthwise(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const DepthwisePlan plan, depthwise_plan(node));
  if (plan.arguments.channels_last != (node.inputs[1].format == kTapsFirst)) {
    return Status(StatusCode::kInvalidPlan,
                  "depthwise weights in format '" + node.inputs[1].format + "'");
  }
  return CudaLaunch([plan, shape = node.outputs[0].shape](KernelRun& run, cudaStream_t stream) {
    DepthwiseArguments a = plan.arguments;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.x = run.input(0).data;
    a.weights = run.input(1).data;
    if (run.has_input(2)) a.bias = run.input(2).data;
    a.y = y.data;
    for (int i = 0; i < a.steps; ++i) {
      if (plan.operands[i] < 0) continue;
      a.step[i].operand = run.input(static_cast<size_t>(plan.operands[i])).data;
    }
    launch_depthwise(a, stream);
    return Status::ok();
  });
}

class DepthwiseTactic : public CudaTactic {
 public:
  DepthwiseTactic() : CudaTactic("cuda.depthwise_conv", offer_depthwise, bind_depthwise) {}

  // For channels last: [taps, channels].
  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    std::vector<PackedConstant> packed;
    const Operand& w = node.inputs[1];
    if (node.inputs[0].layout != Layout::kChannelsLast || w.data == nullptr) return packed;
    const int64_t channels = w.shape[0];
    const int64_t taps = w.shape[2] * w.shape[3];
    const size_t size = size_of(w.dtype);
    ir::ConstantRef data = ir::make_constant(w.dtype, {taps, channels}, nullptr);
    auto* to = const_cast<std::byte*>(data->data);
    const auto* from = static_cast<const std::byte*>(w.data);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t) {
        std::memcpy(to + static_cast<size_t>(t * channels + c) * size,
                    from + static_cast<size_t>(c * taps + t) * size, size);
      }
    }
    packed.push_back({1, std::move(data), std::string(kTapsFirst)});
    return packed;
  }
};

}  // namespace

Status set_window(const Window& window, DeviceWindow& device) {
  for (size_t i = 0; i < 2; ++i) {
    for (int64_t number : {window.kernel[i], window.strides[i], window.dilations[i],
                           window.pads_begin[i], window.pads_end[i]}) {
      if (number > 1024) return refuse("a window of more than 1024");
    }
  }
  device.kernel_height = static_cast<int>(window.kernel[0]);
  device.kernel_width = static_cast<int>(window.kernel[1]);
  device.stride_height = static_cast<int>(window.strides[0]);
  device.stride_width = static_cast<int>(window.strides[1]);
  device.dilation_height = static_cast<int>(window.dilations[0]);
  device.dilation_width = static_cast<int>(window.dilations[1]);
  device.pad_top = static_cast<int>(window.pads_begin[0]);
  device.pad_left = static_cast<int>(window.pads_begin[1]);
  return Status::ok();
}

TacticList convolution_cuda_tactics() {
  static const CudaTactic kPool("cuda.pool", offer_pool, bind_pool);
  static const CudaTactic kGlobalPool("cuda.global_pool", offer_global_pool, bind_global_pool,
                                      {.in_place = false, .workspace = global_pool_workspace});
  static const DepthwiseTactic kDepthwise;
  return {{"MaxPool", &kPool},
          {"AveragePool", &kPool},
          {"LpPool", &kPool},
          {"GlobalAveragePool", &kGlobalPool},
          {"GlobalMaxPool", &kGlobalPool},
          {"Conv", &kDepthwise}};
}

}  // namespace penstock::ops
