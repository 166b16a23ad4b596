// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/cuda_tactic.h"

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/cuda_stream.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Offer;
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

}  // namespace

std::unique_ptr<backends::Kernel> make_cuda_kernel(std::string name, CudaLaunch launch,
                                                   size_t workspace_bytes) {
  return std::make_unique<LaunchKernel>(std::move(name), std::move(launch), workspace_bytes);
}

backends::Offer CudaTactic::offer(const NodeFacts& node) const {
  const Status plain = check_plain(node);
  return plain.is_ok() ? offer_(node) : Offer::refuse(plain.message());
}

Result<std::unique_ptr<backends::Kernel>> CudaTactic::bind(const NodeFacts& node) const {
  PENSTOCK_ASSIGN_OR_RETURN(CudaLaunch launch, bind_(node));
  size_t workspace_bytes = 0;
  if (traits_.workspace != nullptr) {
    PENSTOCK_ASSIGN_OR_RETURN(workspace_bytes, traits_.workspace(node));
  }
  return make_cuda_kernel(name_, std::move(launch), workspace_bytes);
}

Offer plain_or_refuse(const NodeFacts& node, const Status& status) {
  return status.is_ok() ? Offer::plain(node) : Offer::refuse(status.message());
}

Offer both_layouts_or_refuse(const NodeFacts& node, const Status& status) {
  Offer offer = plain_or_refuse(node, status);
  const bool is_image = node.inputs[0].shape.size() == 4 && node.outputs[0].shape.size() == 4;
  if (offer.forms.empty() || !is_image) return offer;
  offer.forms.push_back(offer.forms[0]);
  offer.forms[1].inputs[0] = offer.forms[1].outputs[0] = ir::Layout::kChannelsLast;
  return offer;
}

bool is_device_float(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

Status check_plain(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const Operand& operand : *list) {
      if (operand.present && !is_plain(operand.dtype)) {
        return refuse(std::string(to_string(operand.dtype)) + " stays on the host");
      }
    }
  }
  return Status::ok();
}

Status check_floats(const NodeFacts& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    if (!list->empty() && list->front().present && !is_device_float(list->front().dtype)) {
      return refuse("computes in float32, float16 and bfloat16, not " +
                    std::string(to_string(list->front().dtype)));
    }
  }
  return Status::ok();
}

Status check_no_parameters(const NodeFacts& node, size_t first) {
  for (size_t i = first; i < node.inputs.size(); ++i) {
    if (node.inputs[i].present) {
      return refuse("input " + std::to_string(i) + " is known at the run only");
    }
  }
  return Status::ok();
}

}  // namespace penstock::ops
