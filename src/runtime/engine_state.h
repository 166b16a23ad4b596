// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "runtime/load_timer.h"
#include "runtime/program_state.h"

namespace penstock::runtime {

// Everything of an opened plan that does not change: a program for each profile, all on the same
// constants.
class EngineState {
 public:
  // `host` runs what `backend` has no tactic for; it may be the same.
  static Result<std::shared_ptr<EngineState>> create(plan::PlanFile file,
                                                     std::shared_ptr<backends::Backend> backend,
                                                     std::shared_ptr<backends::Backend> host,
                                                     LoadTimer timer = {});
  // On `device`, which has to be of the kind that the plan was built for; empty or "auto": on one
  // of that kind. Sets its memory limit first, unless 0. `open_file` gives the plan.
  template <typename OpenFile>
  static Result<std::shared_ptr<EngineState>> open(OpenFile&& open_file,
                                                   std::string_view device = "",
                                                   uint64_t memory_limit_bytes = 0) {
    LoadTimer timer;
    Result<plan::PlanFile> file = open_file();
    timer.finish("plan file");
    return open_on(std::move(file), device, memory_limit_bytes, std::move(timer));
  }
  ~EngineState();

  const plan::Contents& contents() const { return file_->contents(); }
  const plan::PlanFile& file() const { return *file_; }
  backends::Backend& backend() const { return *backend_; }
  const std::shared_ptr<backends::Backend>& shared_backend() const { return backend_; }
  backends::Backend& host() const { return *host_; }
  const std::shared_ptr<backends::Backend>& shared_host() const { return host_; }
  // True where the device has memory of its own, and the host may run some of the steps.
  bool is_mixed() const { return backend_ != host_; }
  size_t profile_count() const { return programs_.size(); }
  ProgramState& program(size_t profile) const { return *programs_[profile]; }
  const std::vector<OptimizationProfile>& profiles() const { return profiles_; }
  // The same under every profile.
  const std::vector<TensorInfo>& inputs() const { return programs_[0]->inputs(); }
  const std::vector<TensorInfo>& outputs() const { return programs_[0]->outputs(); }
  // What loading took so far.
  LoadReport report() const;
  // Positions of the inputs whose values a profile limits.
  const std::vector<size_t>& shape_inputs() const { return shape_inputs_; }

 private:
  EngineState() = default;

  static Result<std::shared_ptr<EngineState>> open_on(Result<plan::PlanFile> file,
                                                      std::string_view device,
                                                      uint64_t memory_limit_bytes, LoadTimer timer);
  Status check_instruction_set() const;
  Status upload_constants();

  std::shared_ptr<const plan::PlanFile> file_;
  std::shared_ptr<backends::Backend> backend_;
  std::shared_ptr<backends::Backend> host_;
  void* device_constants_ = nullptr;  // one copy for all contexts
  size_t device_constant_bytes_ = 0;
  std::shared_ptr<backends::DeviceCode> code_;
  std::vector<LoadReport::Phase> load_phases_;
  std::vector<std::unique_ptr<ProgramState>> programs_;
  std::vector<OptimizationProfile> profiles_;
  std::vector<size_t> shape_inputs_;
};

}  // namespace penstock::runtime
