// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/status.h>
#include <penstock/stream.h>
#include <penstock/tensor.h>
#include <penstock/types.h>
#include <penstock/value.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

namespace runtime {
class ContextState;
}

// Hands out memory for an output whose shape only the run tells. Called on the thread that runs.
class OutputAllocator {
 public:
  virtual ~OutputAllocator() = default;
  // Memory for an output of this shape, `bytes` bytes, element-aligned, valid until the caller of
  // the run has read it; null fails the run.
  virtual void* allocate(std::string_view output, const Shape& shape, size_t bytes) = 0;
};

// Told the time of each step of a run, in milliseconds.
class Profiler {
 public:
  virtual ~Profiler() = default;
  virtual void report_step(std::string_view name, double milliseconds) = 0;
};

// How long the parts of a run took, in milliseconds: by the device's clock on a GPU, where copies
// are those between host and device, else by the host's.
struct RunTimes {
  double copy_in_ms = 0;
  double compute_ms = 0;
  double copy_out_ms = 0;
  bool replayed = false;  // as one recorded graph
};

// What an output holds after a run. The memory is the caller's where an address was set, else the
// context's, valid until the next run.
struct OutputView {
  DataType dtype = DataType::kUndefined;
  Shape shape;
  const void* data = nullptr;
};

// One execution of an engine at a time: shapes, addresses, scratch memory. Used by one thread at a
// time; contexts of one engine run side by side. A failed run leaves it usable, and others
// untouched.
class ExecutionContext {
 public:
  ExecutionContext(ExecutionContext&&) noexcept;
  ExecutionContext& operator=(ExecutionContext&&) noexcept;
  ~ExecutionContext();

  // Runs under this profile from now on, an index into Engine::profiles(), or under the first that
  // fits (kAutomaticProfile, the default). Shapes and addresses stay as they are.
  Status set_optimization_profile(int index);
  // The profile in use; where it is chosen by shapes, that of the last run, -1 before the first.
  int optimization_profile() const;

  // Sets an input's shape, kept until set again. An error names the input, the extent and the
  // profile's limits, or those of all profiles where the context chooses.
  Status set_input_shape(std::string_view input, const Shape& shape);
  // Where an input is read or an output written; row-major, at least element-aligned, kept until
  // set again. Memory of the engine's device, or of the host, which is then copied in each run.
  Status set_tensor_address(std::string_view tensor, void* address);
  Status set_output_allocator(std::string_view output, OutputAllocator* allocator);
  void set_profiler(Profiler* profiler);

  // Sets shape and contents of an input of any kind, and keeps them: what a sequence or an optional
  // takes. An error names the input, what it takes and what was given.
  Status set_input(std::string_view input, const Value& value);

  // The shape under the present input shapes and, where shapes follow from the values of inputs
  // that have an address, under those; -1 where only the run tells.
  Result<Shape> tensor_shape(std::string_view tensor);

  // Runs on the calling thread (and the team of its stream) and returns when the outputs are
  // written.
  Status run();
  // Runs after what `stream`, of the engine's device, holds; returns at once. Errors of the run
  // come from wait(). On a GPU its kernels lie in the stream when this returns, so that whatever is
  // enqueued there next, by whomever, comes after them. Where a plan has steps of the host and
  // others enqueue into the stream too, this returns when the run is done.
  Status enqueue(Stream& stream);
  // Recorded in each run, on its stream, once the inputs may be overwritten: when all of them were
  // copied, or the run is done. Of the engine's device; null ends that.
  Status set_input_consumed_event(const Event* event);
  // The status of the last enqueued run, once it ended.
  Status wait();
  // Measures the runs that begin from now on, or no longer; it costs a few microseconds a run.
  void set_run_timing(bool on);
  // Of the runs since the last call, oldest first and at most the last 1024; waits for them.
  Result<std::vector<RunTimes>> take_run_times();
  // Ends the run in progress before its next step, with kCancelled. From any thread; a run that
  // begins later is not touched.
  void cancel();

  // The whole exchange at once: copies nothing but the outputs.
  Result<std::map<std::string, Tensor>> run(const std::map<std::string, Tensor>& inputs);

  // The same with inputs and outputs of any kind; an optional input may be left out.
  Result<std::map<std::string, Value>> run_values(const std::map<std::string, Value>& inputs);

  // Of a tensor. Strings live as long as the memory.
  Result<OutputView> output(std::string_view name) const;
  // A copy of an output of any kind.
  Result<Value> output_value(std::string_view name) const;
  size_t memory_bytes() const;  // scratch memory held now

  // Bytes that the steps need of the device's memory for workspace and the values between them,
  // under the present input shapes; inputs and outputs not counted.
  Result<uint64_t> scratch_bytes();
  // Memory of the engine's device for that, in place of the context's own: aligned to 64 bytes,
  // the caller's to keep until set again; null ends it. A run that needs more is an error that
  // tells how much. Several contexts may be given the same memory: that no two of them run at the
  // same time is the caller's affair. Errors: kInvalidArgument, also for a context of a
  // SharedScratch.
  Status set_scratch_memory(void* memory, uint64_t bytes);

  // For tools: sees every tensor that a step wrote, row-major or not, right after the step.
  using StepObserver =
      std::function<void(std::string_view value, DataType dtype, const Shape& shape,
                         std::string_view layout, const void* data)>;
  void set_step_observer(StepObserver observer);

 private:
  friend class Engine;
  explicit ExecutionContext(std::unique_ptr<runtime::ContextState> state);

  std::unique_ptr<runtime::ContextState> state_;
};

}  // namespace penstock
