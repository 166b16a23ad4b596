// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/epilogue_cudnn.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;
using backends::cuda::CudnnActivation;
using backends::cuda::CudnnEpilogue;

bool take_activation(const EpilogueStep& step, CudnnEpilogue& inside) {
  using Kind = EpilogueStep::Kind;
  switch (step.kind) {
    case Kind::kRelu: inside.activation = CudnnActivation::kRelu; return true;
    case Kind::kClip:
      inside.activation = CudnnActivation::kClip;
      inside.low = step.a;
      inside.high = step.b;
      return true;
    case Kind::kSigmoid: inside.activation = CudnnActivation::kSigmoid; return true;
    case Kind::kTanh: inside.activation = CudnnActivation::kTanh; return true;
    case Kind::kGelu: inside.activation = CudnnActivation::kGelu; return true;
    case Kind::kGeluTanh: inside.activation = CudnnActivation::kGeluTanh; return true;
    case Kind::kSilu: inside.activation = CudnnActivation::kSilu; return true;
    default: return false;
  }
}

}  // namespace

CudnnFusion fuse_with_cudnn(const NodeFacts& node, const Epilogue& steps) {
  CudnnFusion fusion;
  size_t done = 0;
  if (done < steps.size() && steps[done].kind == EpilogueStep::Kind::kAdd) {
    const Operand& operand = node.inputs[steps[done].input];
    const Operand& y = node.outputs[0];
    if (operand.shape == y.shape && operand.dtype == y.dtype && operand.layout == y.layout) {
      fusion.inside.has_residual = true;
      fusion.residual = steps[done++].input;
    }
  }
  if (done < steps.size() && take_activation(steps[done], fusion.inside)) ++done;
  fusion.rest.assign(steps.begin() + static_cast<int64_t>(done), steps.end());
  return fusion;
}

}  // namespace penstock::ops
