// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/device.h>
#include <penstock/plan.h>
#include <penstock/profile.h>
#include <penstock/status.h>
#include <penstock/stream.h>
#include <penstock/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace penstock {

class ExecutionContext;
namespace runtime {
class EngineState;
}

// Of a context's profile: the first one that the input shapes and values fit.
inline constexpr int kAutomaticProfile = -1;

struct ContextOptions {
  int threads = 0;  // threads that share each kernel; 0: as many as the plan was tuned for
  int profile = kAutomaticProfile;  // an index into Engine::profiles()
  // A run that would pass one of these ends with an error that names its node and the limit.
  int64_t max_loop_iterations = 10'000'000;  // of all loops together; 0: no limit
  // That the context may hold, of the host's memory and of the device's each; 0: what they have.
  uint64_t max_memory_bytes = 0;
};

struct EngineOptions {
  // "cuda:1": a device of the kind and architecture that the plan was built for. Empty or "auto":
  // the one that the environment's PENSTOCK_DEVICE names where it is of that kind, else the first.
  std::string device;
};

// An opened plan on a device: immutable, safe to use from any thread, owner of the weights, which
// all its contexts share. Contexts keep what they need of it alive.
class Engine {
 public:
  // Maps the plan and checks it. Errors: kNotFound, kIoError, kInvalidPlan, and kUnsupported where
  // the plan needs a device, an instruction set or a tactic that is not here.
  static Result<Engine> load(const std::filesystem::path& plan_path,
                             const EngineOptions& options = {});
  // The same from memory, with the same checks; the engine shares the bytes.
  static Result<Engine> deserialize(Plan plan, const EngineOptions& options = {});

  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;
  const std::vector<OptimizationProfile>& profiles() const;  // at least one
  const OptimizationProfile& profile() const { return profiles().front(); }
  const std::string& model_name() const;
  Device device() const;          // that it runs on
  int threads() const;            // stream width that the plan was tuned for
  uint64_t plan_bytes() const;    // size of the plan file
  uint64_t weight_bytes() const;  // constants, shared by all contexts
  // Kernel calls in the main body under this profile; 0 where there is no such profile.
  size_t step_count(size_t profile = 0) const;

  // Cheap: no weights are copied. Scratch memory is taken when shapes are set.
  Result<ExecutionContext> create_context(ContextOptions options = {}) const;
  // An in-order queue with its own threads; 0 means as many as the plan was tuned for.
  Result<Stream> create_stream(int threads = 0) const;

 private:
  friend class ExecutionContext;
  explicit Engine(std::shared_ptr<runtime::EngineState> state) : state_(std::move(state)) {}

  std::shared_ptr<runtime::EngineState> state_;
};

}  // namespace penstock
