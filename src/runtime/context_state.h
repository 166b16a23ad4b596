// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/context.h>
#include <penstock/value.h>

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/memory_limit.h"
#include "runtime/device_buffer.h"
#include "runtime/engine_state.h"
#include "runtime/run_timer.h"
#include "runtime/scratch_state.h"

namespace penstock::runtime {

class ContextState;

// What a kernel sees of a main step whose shapes are known before the run.
class StepFrame final : public backends::KernelRun, public backends::MemoryLimit {
 public:
  StepFrame(ContextState& context, const StepCode& code, const Binding& binding);

  // Takes the present addresses of all operands.
  void refresh(const ContextState& context, void* workspace);

  const backends::TensorView& input(size_t i) const override { return inputs_[i]; }
  bool has_input(size_t i) const override {
    return i < inputs_.size() && inputs_[i].shape != nullptr;
  }
  bool has_output(size_t i) const override {
    return i < outputs_.size() && outputs_[i].shape != nullptr;
  }
  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return outputs_.size(); }
  Result<backends::TensorView> output(size_t i, const Shape& shape) override;
  void* workspace() const override { return workspace_; }
  backends::KernelState* state() const override { return state_.get(); }
  backends::Stream& stream() const override { return *stream_; }
  ObjectPool& objects() override;
  Status hold_memory(int64_t bytes) override;
  Status run_region(size_t i, const std::vector<backends::TensorView>& inputs,
                    std::vector<backends::TensorView>& outputs) override;

  void set_stream(backends::Stream& stream) { stream_ = &stream; }
  void set_state(std::unique_ptr<backends::KernelState> state) { state_ = std::move(state); }
  const StepCode& code() const { return *code_; }

 private:
  const StepCode* code_;
  std::vector<backends::TensorView> inputs_;
  std::vector<backends::TensorView> outputs_;
  void* workspace_ = nullptr;
  std::unique_ptr<backends::KernelState> state_;
  backends::Stream* stream_ = nullptr;
  ContextState* context_;
};

// What a kernel sees of a step bound during the run: see late.cc.
class LateRunner;

class ContextState {
 public:
  // `host_stream` runs the host's steps where the device has memory of its own; null elsewhere.
  // `scratch` is shared with other contexts; null: the context has its own.
  ContextState(std::shared_ptr<EngineState> engine, std::unique_ptr<backends::Stream> stream,
               std::unique_ptr<backends::Stream> host_stream, const ContextOptions& options,
               std::shared_ptr<ScratchState> scratch = nullptr);
  ~ContextState();

  Status set_profile(int index);
  int profile() const;
  Status set_input_shape(std::string_view name, const Shape& shape);
  Status set_address(std::string_view name, void* address);
  Status set_input(std::string_view name, const Value& value);
  Status set_allocator(std::string_view name, OutputAllocator* allocator);
  Result<Shape> tensor_shape(std::string_view name);
  Status run(backends::Stream& stream);
  Status enqueue(const std::shared_ptr<backends::Stream>& stream);
  Status wait();
  // Microseconds of one of `repeats` runs in a row of a main step, known before the run, on the
  // values that the last run left: the device's time where kernels only enqueue.
  Result<double> time_step(size_t i, int repeats);
  void set_run_timing(bool on);
  Result<std::vector<RunTimes>> take_run_times();
  void set_consumed_event(std::shared_ptr<backends::Event> event);
  Result<OutputView> output(std::string_view name) const;
  Result<Value> output_value(std::string_view name) const;
  // Of an output, wherever it is; waits for the copy, not for runs.
  Result<Tensor> host_copy(const OutputView& view) const;
  size_t memory_bytes() const { return memory_.held() + device_memory_.held(); }
  Result<uint64_t> scratch_bytes();
  Status set_scratch_memory(void* memory, uint64_t bytes);
  // From any thread.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  backends::Stream& own_stream() { return *stream_; }
  EngineState& engine() const { return *engine_; }
  // Of the profile in use.
  ProgramState& program() const { return *program_; }
  // Chooses the profile, binds to the present input shapes, takes memory, refreshes addresses.
  // Next to nothing where nothing changed. Shared scratch memory is kept until the run has ended.
  Status prepare();

  // For frames and the late runner.
  void* address_of(int slot) const;
  const Binding& binding() const { return *prepared_->binding; }
  ObjectPool& objects() { return objects_; }
  OutputAllocator* allocator_of(int slot) const { return slot_allocators_[slot]; }
  MemoryAccount& memory() { return memory_; }
  // What a kernel keeps until the next run begins, beyond its outputs and workspace.
  Status hold_memory(int64_t bytes);
  // Before each step: an error where the run was cancelled.
  Status check_limits();
  // One more run of a loop's body.
  Status count_iteration();

  Profiler* profiler = nullptr;
  ExecutionContext::StepObserver observer;

 private:
  // Frames for one binding: kept, so that going back to an earlier shape costs next to nothing.
  struct Prepared {
    std::shared_ptr<const Binding> binding;
    std::vector<std::unique_ptr<StepFrame>> frames;  // null for late steps
    // All steps as one, on devices that record, once the addresses seem to stay.
    std::unique_ptr<backends::Recording> recording;
    int plain_runs = 0;  // since the addresses changed
    bool cannot_record = false;
  };

  // A tensor that the caller has in memory that its steps do not reach: on the host where they are
  // the device's, or on the device where they are the host's.
  struct StagedCopy {
    void* host = nullptr;
    void* device = nullptr;
    size_t bytes = 0;
    bool to_host = false;
  };

  // What an input given as a Value keeps for the runs: its tensors, and the handle to them.
  struct HeldInput {
    Value value;
    TensorList list;
    const TensorList* handle = nullptr;
  };

  // An input or output, the same under every profile; its slot is not.
  struct Place {
    bool is_input = false;
    size_t position = 0;
  };

  // What one profile's program keeps between runs.
  struct ProgramRuns {
    std::list<Prepared> recent;  // most recent first
    std::unique_ptr<LateRunner> late;
  };

  int slot_of(Place place) const;
  Status check_held(const TensorInfo& info, const Value& value) const;
  void place(Place where, void* address);
  Result<const void*> output_data(int slot) const;
  Result<Place> find_tensor(std::string_view name, bool inputs, bool outputs) const;
  Status check_shape(size_t input, const Shape& shape) const;
  Status check_limits(size_t input, const Shape& shape) const;
  Status check_profile(size_t index) const;
  void read_values();
  Result<size_t> choose_profile() const;
  void use_program(size_t index);
  Status no_profile_fits() const;
  Status tell_symbols(size_t input, std::vector<int64_t>& symbols, std::vector<int>& told_by) const;
  Result<std::vector<int64_t>> symbols_of_inputs() const;
  Status bind();
  Status bind_if_changed();
  size_t wanted_scratch() const;
  Status take_scratch();
  void release_scratch();
  std::byte* arena(bool on_device) const;
  Status make_prepared(const std::vector<int64_t>& symbols);
  Status place_all();
  Status take_output_memory();
  Status place_on_device();
  Status stage_input(size_t input);
  Status stage_output(size_t output);
  Status copy_staged(const std::vector<StagedCopy>& copies, backends::Stream& stream);
  Status stage_inputs(backends::Stream& stream);
  Status check_addresses() const;
  Status execute(backends::Stream& stream);
  Status enqueue_steps(backends::Stream& stream);
  void mark(RunTimer::Mark mark, backends::Stream& stream) {
    if (timer_ != nullptr) timer_->mark(mark, stream);
  }
  bool can_issue(backends::Stream& stream) const;
  Status issue(const std::shared_ptr<backends::Stream>& stream);
  void begin_run();
  Status execute_or_replay(backends::Stream& stream);
  Status execute_steps(backends::Stream& stream);
  Status timed_step(size_t i, backends::Stream& stream);
  Status execute_step(size_t i, backends::Stream& stream);
  // The stream that a step of the host runs on, in a run on `stream`.
  backends::Stream& host_stream(backends::Stream& stream) {
    return host_stream_ == nullptr ? stream : *host_stream_;
  }
  void observe(const StepCode& code) const;

  std::shared_ptr<EngineState> engine_;
  std::unique_ptr<backends::Stream> stream_;
  std::unique_ptr<backends::Stream> host_stream_;
  MemoryAccount memory_;         // of the host
  MemoryAccount device_memory_;  // of the device, where that has memory of its own
  int64_t held_by_kernels_ = 0;
  int64_t most_iterations_;
  int64_t iterations_ = 0;  // of all loops of this run
  std::atomic<bool> cancelled_ = false;
  int wanted_profile_ = kAutomaticProfile;
  size_t profile_ = 0;  // in use
  ProgramState* program_;
  std::vector<ProgramRuns> runs_;    // by profile
  std::vector<Shape> input_shapes_;  // by input position
  std::vector<bool> input_set_;
  std::vector<std::vector<int64_t>> values_;  // by input position: what shape inputs hold
  std::vector<bool> values_known_;
  std::vector<HeldInput> held_inputs_;  // by input position
  ObjectPool objects_;
  std::vector<void*> input_addresses_;  // the caller's memory
  std::vector<void*> output_addresses_;
  std::vector<OutputAllocator*> allocators_;  // by output position
  std::vector<void*> slot_addresses_;         // the same by slot of the program in use
  std::vector<OutputAllocator*> slot_allocators_;
  std::vector<DeviceBuffer>
      output_buffers_;                     // by output position, where the caller gave no address
  DeviceBuffer arena_;                     // of the host's steps
  DeviceBuffer device_arena_;              // of the device's, where that has memory of its own
  std::shared_ptr<ScratchState> scratch_;  // in place of the two, shared; may be null
  uint64_t scratch_generation_ = 0;
  void* given_scratch_ = nullptr;  // the caller's, in place of the device's arena
  uint64_t given_scratch_bytes_ = 0;
  std::vector<DeviceBuffer> device_inputs_;  // by position, where the caller's are on the host
  std::vector<DeviceBuffer> device_outputs_;
  std::vector<DeviceBuffer> host_inputs_;  // by position, where the caller's are on the device
  std::vector<StagedCopy> staged_inputs_;
  std::vector<StagedCopy> staged_outputs_;
  bool all_staged_ = false;  // no step reads an input where the caller has it
  Prepared* prepared_ = nullptr;
  bool shapes_changed_ = true;
  bool addresses_changed_ = true;
  LateRunner* late_ = nullptr;  // of the program in use, from its first late step on

  // Of runs that the caller's thread put into a stream of the device.
  std::shared_ptr<backends::Event> issued_;  // behind the last of them
  std::weak_ptr<backends::Stream> issued_to_;
  bool is_issued_ = false;  // and nobody waited for it since
  std::shared_ptr<backends::Event> consumed_;

  std::unique_ptr<RunTimer> timer_;  // null where runs are not measured

  std::mutex mutex_;  // guards the two below: enqueued runs end on another thread
  std::condition_variable ended_;
  int pending_ = 0;
  Status enqueued_status_;
};

}  // namespace penstock::runtime
