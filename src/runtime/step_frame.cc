// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/context_state.h"

namespace penstock::runtime {

using backends::TensorView;

StepFrame::StepFrame(ContextState& context, const StepCode& code, const Binding& binding)
    : code_(&code), objects_(&context.objects()) {
  const plan::Program& program = context.program().program();
  const auto view = [&](int slot) {
    if (slot < 0) return TensorView{};
    return TensorView{program.slots[slot].dtype, program.slots[slot].layout, &binding.shapes[slot],
                      nullptr};
  };
  for (int slot : code.step->inputs) inputs_.push_back(view(slot));
  for (int slot : code.step->outputs) outputs_.push_back(view(slot));
}

void StepFrame::refresh(const ContextState& context, void* workspace) {
  workspace_ = workspace;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (code_->step->inputs[i] >= 0) inputs_[i].data = context.address_of(code_->step->inputs[i]);
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (code_->step->outputs[i] >= 0)
      outputs_[i].data = context.address_of(code_->step->outputs[i]);
  }
}

Result<TensorView> StepFrame::output(size_t i, const Shape& shape) {
  if (*outputs_[i].shape != shape) {
    return Status(StatusCode::kInternal, "output " + std::to_string(i) + " came out with shape " +
                                             to_string(shape) + ", planned was " +
                                             to_string(*outputs_[i].shape));
  }
  return outputs_[i];
}

Status StepFrame::run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) {
  return {StatusCode::kInternal, "step '" + code_->step->name + "' has no body"};
}

}  // namespace penstock::runtime
