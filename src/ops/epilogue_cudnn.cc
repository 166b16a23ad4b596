// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/epilogue_cudnn.h"

#include "backends/cuda/cuda_stream.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Operand;
using backends::TensorView;
using backends::cuda::CudnnActivation;
using backends::cuda::CudnnEpilogue;
using backends::cuda::CudnnGraph;
using backends::cuda::CudnnRole;

class CudnnKernel : public Kernel {
 public:
  CudnnKernel(std::unique_ptr<CudnnGraph> graph, bool has_bias, int residual, int scale,
              CudaEpilogue rest, Shape shape)
      : graph_(std::move(graph)),
        has_bias_(has_bias),
        residual_(residual),
        scale_(scale),
        rest_(std::move(rest)),
        shape_(std::move(shape)) {}

  size_t workspace_bytes() const override { return graph_->workspace_bytes(); }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    std::vector<std::pair<CudnnRole, void*>> tensors = {{CudnnRole::kX, run.input(0).data},
                                                        {CudnnRole::kW, run.input(1).data},
                                                        {CudnnRole::kY, y.data}};
    if (has_bias_) tensors.emplace_back(CudnnRole::kBias, run.input(2).data);
    if (scale_ >= 0) {
      tensors.emplace_back(CudnnRole::kScale, run.input(static_cast<size_t>(scale_)).data);
    }
    if (residual_ >= 0) {
      tensors.emplace_back(CudnnRole::kResidual, run.input(static_cast<size_t>(residual_)).data);
    }
    cudaStream_t stream = backends::cuda::stream_of(run.stream());
    PENSTOCK_RETURN_IF_ERROR(graph_->run(tensors, run.workspace(), stream));
    return rest_.run(run, y.data, stream);
  }

 private:
  std::unique_ptr<CudnnGraph> graph_;
  bool has_bias_;
  int residual_;
  int scale_;
  CudaEpilogue rest_;
  Shape shape_;
};

}  // namespace

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

std::unique_ptr<Kernel> make_cudnn_kernel(std::unique_ptr<CudnnGraph> graph,
                                          const CudnnEpilogue& epilogue, int residual,
                                          CudaEpilogue rest, Shape shape, int scale) {
  return std::make_unique<CudnnKernel>(std::move(graph), epilogue.has_bias, residual, scale,
                                       std::move(rest), std::move(shape));
}

}  // namespace penstock::ops
