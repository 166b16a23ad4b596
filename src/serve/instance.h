// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One execution context of a model, and the memory that requests reach it through.
#pragma once

#include <penstock/context.h>
#include <penstock/engine.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "serve/inference.h"
#include "serve/options.h"
#include "serve/statistics.h"

namespace penstock::serve {

// Outputs of one execution, in the engine's order, with the whole batch.
struct ExecutionResult {
  std::vector<TensorView> outputs;  // names are empty: the order tells
  std::shared_ptr<const void> memory;
  ExecutionTimes times;
};

// Used by one thread at a time; cancel() is for any.
class Instance {
 public:
  struct Options {
    int threads = 1;
    bool has_batch_axis = false;
    FaultInjection faults;
  };

  static Result<std::unique_ptr<Instance>> create(const Engine& engine, const Options& options);

  // Requests whose inputs are in the engine's order and agree in all but the first axis. A failed
  // run leaves the instance usable or in need of rebuild().
  Result<ExecutionResult> run(std::span<InferenceRequest* const> requests);
  // Ends the run in progress.
  void cancel();
  // A fresh context in place of the present one.
  Status rebuild();

  int threads() const { return options_.threads; }
  void set_faults(const FaultInjection& faults) { options_.faults = faults; }
  size_t memory_bytes() const;  // that its context holds

 private:
  // Memory of one input that stays where it is, so that steps keep their addresses.
  struct Staging {
    std::shared_ptr<std::byte> host;
    Buffer page_locked;  // in its place where the device has memory of its own
    size_t bytes = 0;
    void* data() const { return host != nullptr ? host.get() : page_locked.data(); }
  };

  Instance(Engine engine, const Options& options);

  Status inject_faults();
  Status place_inputs(std::span<InferenceRequest* const> requests);
  Status stage(size_t input, std::span<InferenceRequest* const> requests, size_t bytes);
  Status set_input(size_t input, const Shape& shape, void* address);
  Status place_outputs(std::shared_ptr<std::byte>& memory);
  Status find_output_shapes();
  Result<ExecutionResult> collect(std::shared_ptr<std::byte> memory);

  Engine engine_;
  Options options_;
  bool is_host_;
  bool shapes_follow_values_;  // shapes of outputs are not those of inputs alone
  std::unique_ptr<ExecutionContext> context_;
  std::mutex context_mutex_;  // of the pointer, for cancel()
  std::vector<Staging> staging_;
  std::vector<Shape> shapes_;         // of inputs, as the context has them
  std::vector<void*> addresses_;      // of inputs
  std::vector<Shape> output_shapes_;  // under shapes_, where they are known before the run
  std::vector<size_t> output_bytes_;
  size_t all_output_bytes_ = 0;
  bool outputs_are_known_ = false;
  bool shapes_changed_ = true;
  bool outputs_are_placed_ = false;
  uint64_t runs_ = 0;
  uint32_t failed_rebuilds_ = 0;
};

}  // namespace penstock::serve
