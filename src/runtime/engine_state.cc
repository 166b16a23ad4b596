// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/engine_state.h"

#include <algorithm>

namespace penstock::runtime {

Result<std::shared_ptr<EngineState>> EngineState::create(
    plan::PlanFile file, std::shared_ptr<backends::Backend> backend) {
  std::shared_ptr<EngineState> state(new EngineState());
  state->file_ = std::make_shared<const plan::PlanFile>(std::move(file));
  state->backend_ = std::move(backend);
  const std::string& needed = state->contents().instruction_set;
  if (!state->backend_->supports_instruction_set(needed)) {
    return Status(StatusCode::kUnsupported, state->file_->label() + " was built for " + needed +
                                                ", and this processor runs " +
                                                state->backend_->instruction_set() +
                                                " at most; build the plan again on this machine");
  }
  for (const plan::Program& program : state->contents().programs) {
    state->programs_.push_back(
        std::make_unique<ProgramState>(state->file_, program, state->backend_));
    PENSTOCK_RETURN_IF_ERROR(state->programs_.back()->resolve());
    state->profiles_.push_back(program.profile);
  }
  for (size_t i = 0; i < state->inputs().size(); ++i) {
    const std::string& name = state->inputs()[i].name;
    const auto limits = [&](const OptimizationProfile& profile) {
      return profile.values.count(name) != 0;
    };
    if (std::any_of(state->profiles_.begin(), state->profiles_.end(), limits)) {
      state->shape_inputs_.push_back(i);
    }
  }
  return state;
}

}  // namespace penstock::runtime
