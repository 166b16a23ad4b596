// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/device.h>
#include <penstock/input_contract.h>
#include <penstock/plan.h>
#include <penstock/profile.h>
#include <penstock/status.h>
#include <penstock/stream.h>
#include <penstock/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace penstock {

class ExecutionContext;
namespace runtime {
class EngineState;
class ScratchState;
}  // namespace runtime

// Of a context's profile: the first one that the input shapes and values fit.
inline constexpr int kAutomaticProfile = -1;

// Scratch memory that contexts share, of any engines of one device: as much as the most demanding
// of them needs, in place of as much as all of them. Their runs come one after the other: on a GPU
// in the order in which they were enqueued, on whatever streams, and nobody waits for it; where
// steps are the CPU's, the thread that runs them waits its turn. Copies share it. What depends on
// data (late steps) stays in the memory of each context.
class SharedScratch {
 public:
  SharedScratch() = default;  // none: a context has its own
  uint64_t bytes() const;     // held now

 private:
  friend class Engine;
  explicit SharedScratch(std::shared_ptr<runtime::ScratchState> state) : state_(std::move(state)) {}

  std::shared_ptr<runtime::ScratchState> state_;
};

struct ContextOptions {
  int threads = 0;  // threads that share each kernel; 0: as many as the plan was tuned for
  int profile = kAutomaticProfile;  // an index into Engine::profiles()
  // A run that would pass one of these ends with an error that names its node and the limit.
  int64_t max_loop_iterations = 10'000'000;  // of all loops together; 0: no limit
  // That the context may hold, of the host's memory and of the device's each; 0: what they have.
  uint64_t max_memory_bytes = 0;
  SharedScratch scratch = {};  // of Engine::create_shared_scratch(), not counted above
};

struct EngineOptions {
  // "cuda:1": a device of the kind and architecture that the plan was built for. Empty or "auto":
  // the one that the environment's PENSTOCK_DEVICE names where it is of that kind, else the first.
  std::string device;
  // Sets Device::set_memory_limit() of that device first; 0 leaves it as it is.
  uint64_t memory_limit_bytes = 0;
};

// What making an engine ready took so far: its loading, and the bindings of shapes since. Bindings
// include what of them was spent on libraries, device code and compiling.
struct LoadReport {
  struct Phase {
    std::string name;  // "plan file", "device", "weights", "bindings", "compiling", ...
    int times = 1;
    double milliseconds = 0;
  };
  std::vector<Phase> phases;
  // Of device code that this machine's libraries cannot use as it lies in the plan.
  std::vector<std::string> warnings;
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
  // What the plan expects of inputs, by name; nothing of those that are not here.
  std::map<std::string, InputContract> input_contracts() const;
  const std::vector<OptimizationProfile>& profiles() const;  // at least one
  const OptimizationProfile& profile() const { return profiles().front(); }
  const std::string& model_name() const;
  Device device() const;          // that it runs on
  int threads() const;            // stream width that the plan was tuned for
  uint64_t plan_bytes() const;    // size of the plan file
  uint64_t weight_bytes() const;  // constants, shared by all contexts
  // Kernel calls in the main body under this profile; 0 where there is no such profile.
  size_t step_count(size_t profile = 0) const;
  LoadReport load_report() const;

  // Cheap: no weights are copied. Scratch memory is taken when shapes are set.
  Result<ExecutionContext> create_context(ContextOptions options = {}) const;
  // For contexts of this engine and others of its device that do not run at the same time.
  SharedScratch create_shared_scratch() const;
  // An in-order queue with its own threads; 0 means as many as the plan was tuned for.
  Result<Stream> create_stream(int threads = 0) const;

 private:
  friend class ExecutionContext;
  explicit Engine(std::shared_ptr<runtime::EngineState> state) : state_(std::move(state)) {}

  std::shared_ptr<runtime::EngineState> state_;
};

}  // namespace penstock
