// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "runtime/program_state.h"

namespace penstock::runtime {

// Everything of an opened plan that does not change: a program for each profile, all on the same
// constants.
class EngineState {
 public:
  static Result<std::shared_ptr<EngineState>> create(plan::PlanFile file,
                                                     std::shared_ptr<backends::Backend> backend);

  const plan::Contents& contents() const { return file_->contents(); }
  const plan::PlanFile& file() const { return *file_; }
  backends::Backend& backend() const { return *backend_; }
  size_t profile_count() const { return programs_.size(); }
  ProgramState& program(size_t profile) const { return *programs_[profile]; }
  const std::vector<OptimizationProfile>& profiles() const { return profiles_; }
  // The same under every profile.
  const std::vector<TensorInfo>& inputs() const { return programs_[0]->inputs(); }
  const std::vector<TensorInfo>& outputs() const { return programs_[0]->outputs(); }
  // Positions of the inputs whose values a profile limits.
  const std::vector<size_t>& shape_inputs() const { return shape_inputs_; }

 private:
  EngineState() = default;

  std::shared_ptr<const plan::PlanFile> file_;
  std::shared_ptr<backends::Backend> backend_;
  std::vector<std::unique_ptr<ProgramState>> programs_;
  std::vector<OptimizationProfile> profiles_;
  std::vector<size_t> shape_inputs_;
};

}  // namespace penstock::runtime
