// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/simd_depthwise.h"

#include <omp.h>

#include <algorithm>

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/depthwise.h"
#include "ops/convolution/window.h"
#include "ops/epilogue.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::PackedConstant;
using simd::DepthwiseArgs;
using simd::DepthwiseStep;
using simd::DepthwiseStepKind;

constexpr std::string_view kFormat = "depthwise_f32_c16";

// A node as a DepthwiseArgs that lacks only addresses.
struct Plan {
  DepthwiseArgs args;
  int operands[simd::kMaxDepthwiseSteps] = {};  // inputs that the steps read
};

Status refuse(std::string reason) { return {StatusCode::kUnsupported, std::move(reason)}; }

DepthwiseStepKind kind_of(EpilogueStep::Kind kind) {
  using Kind = EpilogueStep::Kind;
  switch (kind) {
    case Kind::kAdd: return DepthwiseStepKind::kAdd;
    case Kind::kMul: return DepthwiseStepKind::kMul;
    case Kind::kRelu: return DepthwiseStepKind::kRelu;
    case Kind::kLeakyRelu: return DepthwiseStepKind::kLeakyRelu;
    case Kind::kClip: return DepthwiseStepKind::kClip;
    case Kind::kSigmoid: return DepthwiseStepKind::kSigmoid;
    case Kind::kTanh: return DepthwiseStepKind::kTanh;
    case Kind::kGelu: return DepthwiseStepKind::kGelu;
    case Kind::kGeluTanh: return DepthwiseStepKind::kGeluTanh;
    case Kind::kSilu: return DepthwiseStepKind::kSilu;
    case Kind::kHardSwish: return DepthwiseStepKind::kHardSwish;
    case Kind::kHardSigmoid: return DepthwiseStepKind::kHardSigmoid;
    case Kind::kElu: return DepthwiseStepKind::kElu;
    case Kind::kRound: break;  // of quantized convolutions only
  }
  return DepthwiseStepKind::kRelu;
}

Status add_steps(const NodeFacts& node, Plan& plan) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  if (epilogue.size() > simd::kMaxDepthwiseSteps) return refuse("the epilogue has too many steps");
  for (const EpilogueStep& step : epilogue) {
    plan.operands[plan.args.step_count] = step.input;
    plan.args.steps[plan.args.step_count++] = {kind_of(step.kind), nullptr, step.a, step.b};
    if (!step.is_binary()) continue;
    if (!node.has_input(step.input) || node.inputs[step.input].shape != node.outputs[0].shape) {
      return refuse("the epilogue's operand must have the result's shape");
    }
  }
  return Status::ok();
}

Result<Plan> make_plan(const NodeFacts& node) {
  for (const Operand& operand : node.inputs) {
    if (operand.present && operand.dtype != DataType::kFloat32) {
      return refuse("computes in float32, not " + std::string(to_string(operand.dtype)));
    }
  }
  const Shape& x = node.inputs[0].shape;
  const Shape& w = node.inputs[1].shape;
  const Shape& y = node.outputs[0].shape;
  if (x.size() != 4) return refuse("takes images");
  if (node.attributes.get_int("group", 1) != x[1] || w[0] != x[1]) {
    return refuse("each channel must be a group of its own");
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(node.attributes, spatial_of(w), spatial_of(x)));
  if (!simd::depthwise_supports(window.kernel[1], window.strides[1]) ||
      window.kernel[0] > simd::kMaxDepthwiseKernelHeight || window.dilations != Shape{1, 1}) {
    return refuse("no code for a kernel of " + to_string(window.kernel) + " with strides " +
                  to_string(window.strides) + " and dilations " + to_string(window.dilations));
  }
  Plan plan;
  DepthwiseArgs& args = plan.args;
  args.batch = x[0];
  args.channels = x[1];
  args.in_h = x[2];
  args.in_w = x[3];
  args.out_h = y[2];
  args.out_w = y[3];
  args.kernel_h = window.kernel[0];
  args.kernel_w = window.kernel[1];
  args.stride_h = window.strides[0];
  args.stride_w = window.strides[1];
  args.pad_top = window.pads_begin[0];
  args.pad_left = window.pads_begin[1];
  PENSTOCK_RETURN_IF_ERROR(add_steps(node, plan));
  return plan;
}

class DepthwiseConv : public Kernel {
 public:
  DepthwiseConv(const Plan& plan, Shape result, bool has_bias, int threads)
      : plan_(plan), result_(std::move(result)), has_bias_(has_bias), threads_(threads) {
    workspace_floats_ = (simd::depthwise_workspace_floats(plan.args) + 15) / 16 * 16;
  }

  size_t workspace_bytes() const override {
    return workspace_floats_ * sizeof(float) * static_cast<size_t>(threads_);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, result_));
    DepthwiseArgs args = plan_.args;
    args.x = run.input(0).as<const float>();
    args.packed_w = run.input(1).as<const float>();
    if (has_bias_) args.bias = run.input(2).as<const float>();
    args.y = y.as<float>();
    for (int i = 0; i < args.step_count; ++i) {
      if (plan_.operands[i] >= 0) args.steps[i].data = run.input(plan_.operands[i]).as<float>();
    }
    const ThreadTeam& team = backends::team_of(run.stream());
    auto* workspace = static_cast<float*>(run.workspace());
    team.parallel_for(simd::depthwise_items(args), 1, [&](int64_t begin, int64_t end) {
      const int thread = team.width() > 1 ? omp_get_thread_num() % threads_ : 0;
      simd::depthwise_kernel(simd::active())
          .run(args, begin, end, workspace + thread * workspace_floats_);
    });
    return Status::ok();
  }

 private:
  Plan plan_;
  Shape result_;
  bool has_bias_;
  int threads_;
  size_t workspace_floats_;
};

class DepthwiseTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.depthwise_conv"; }

  Offer offer(const NodeFacts& node) const override {
    const Result<Plan> plan = make_plan(node);
    if (!plan.is_ok()) return Offer::refuse(plan.status().message());
    if (node.inputs[1].data == nullptr) return Offer::refuse("the weights must be constant");
    Offer offer = Offer::plain(node);
    offer.forms[0].inputs[0] = offer.forms[0].outputs[0] = ir::Layout::kChannelsLast;
    for (int i = 0; i < plan->args.step_count; ++i) {
      const int input = plan->operands[i];
      if (input < 0) continue;
      if (node.inputs[input].data != nullptr) return Offer::refuse("an operand is constant");
      offer.forms[0].inputs[input] = ir::Layout::kChannelsLast;
    }
    return offer;
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const Plan plan, make_plan(node));
    const DepthwiseArgs& args = plan.args;
    const auto floats = static_cast<int64_t>(
        simd::depthwise_packed_floats(args.channels, args.kernel_h, args.kernel_w));
    ir::ConstantRef data = ir::make_constant(DataType::kFloat32, {floats}, nullptr);
    simd::depthwise_pack(static_cast<const float*>(node.inputs[1].data), args.channels,
                         args.kernel_h, args.kernel_w,
                         reinterpret_cast<float*>(const_cast<std::byte*>(data->data)));
    std::vector<PackedConstant> packed;
    packed.push_back({1, std::move(data), std::string(kFormat)});
    return packed;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    if (node.inputs[1].format != kFormat) {
      return Status(StatusCode::kInvalidPlan,
                    "depthwise weights in format '" + node.inputs[1].format + "'");
    }
    PENSTOCK_ASSIGN_OR_RETURN(const Plan plan, make_plan(node));
    return std::unique_ptr<Kernel>(std::make_unique<DepthwiseConv>(
        plan, node.outputs[0].shape, node.has_input(2), node.threads));
  }
};

}  // namespace

TacticList convolution_simd_tactics() {
  static const DepthwiseTactic kTactic;
  return {{"Conv", &kTactic}};
}

}  // namespace penstock::ops
