// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_tactic.h"

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/cuda_stream.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;

class LaunchKernel : public backends::Kernel {
 public:
  LaunchKernel(std::string name, CudaLaunch launch, size_t workspace_bytes)
      : name_(std::move(name)), launch_(std::move(launch)), workspace_bytes_(workspace_bytes) {}

  size_t workspace_bytes() const override { return workspace_bytes_; }
  Status run(backends::KernelRun& run) const override {
    PENSTOCK_RETURN_IF_ERROR(launch_(run, backends::cuda::stream_of(run.stream())));
    return backends::cuda::launch_status(name_);
  }

 private:
  std::string name_;
  CudaLaunch launch_;
  size_t workspace_bytes_;
};

bool is_device_float(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

}  // namespace

std::unique_ptr<backends::Kernel> make_cuda_kernel(std::string name, CudaLaunch launch,
                                                   size_t workspace_bytes) {
  return std::make_unique<LaunchKernel>(std::move(name), std::move(launch), workspace_bytes);
}

backends::Offer CudaTactic::offer(const NodeFacts& node) const {
  if (std::string refusal = refuse_handles(node); !refusal.empty()) {
    return backends::Offer::refuse(std::move(refusal));
  }
  return offer_(node);
}

Result<std::unique_ptr<backends::Kernel>> CudaTactic::bind(const NodeFacts& node) const {
  PENSTOCK_ASSIGN_OR_RETURN(CudaLaunch launch, bind_(node));
  return make_cuda_kernel(name_, std::move(launch));
}

std::string refuse_handles(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const Operand& operand : *list) {
      if (operand.present && !is_plain(operand.dtype)) {
        return std::string(to_string(operand.dtype)) + " stays on the host";
      }
    }
  }
  return "";
}

std::string refuse_non_floats(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    if (!list->empty() && list->front().present && !is_device_float(list->front().dtype)) {
      return "computes in float32, float16 and bfloat16, not " +
             std::string(to_string(list->front().dtype));
    }
  }
  return "";
}

std::string refuse_parameter_inputs(const NodeFacts& node, size_t first) {
  for (size_t i = first; i < node.inputs.size(); ++i) {
    if (node.inputs[i].present) return "input " + std::to_string(i) + " is known at the run only";
  }
  return "";
}

}  // namespace penstock::ops
