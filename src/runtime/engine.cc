// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/context.h>
#include <penstock/engine.h>

#include "base/memory_guard.h"
#include "runtime/context_state.h"
#include "runtime/engine_state.h"

namespace penstock {

namespace {

constexpr std::string_view kCopies = "copies of the outputs";

}  // namespace

Result<Engine> Engine::load(const std::filesystem::path& plan_path, const EngineOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(
      auto state, runtime::EngineState::open([&] { return plan::PlanFile::open(plan_path); },
                                             options.device, options.memory_limit_bytes));
  return Engine(std::move(state));
}

Result<Engine> Engine::deserialize(Plan plan, const EngineOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(
      auto state,
      runtime::EngineState::open([&] { return plan::PlanFile::from_memory(std::move(plan)); },
                                 options.device, options.memory_limit_bytes));
  return Engine(std::move(state));
}

const std::vector<TensorInfo>& Engine::inputs() const { return state_->inputs(); }
const std::vector<TensorInfo>& Engine::outputs() const { return state_->outputs(); }

std::map<std::string, InputContract> Engine::input_contracts() const {
  const plan::Program& program = state_->contents().programs.front();
  std::map<std::string, InputContract> contracts;
  for (const int input : program.bodies[0].inputs) {
    const plan::Slot& slot = program.slots[input];
    if (slot.contract) contracts.emplace(slot.name, *slot.contract);
  }
  return contracts;
}

const std::vector<OptimizationProfile>& Engine::profiles() const { return state_->profiles(); }
const std::string& Engine::model_name() const { return state_->contents().model_name; }
Device Engine::device() const { return Device(state_->shared_backend()); }
int Engine::threads() const { return state_->contents().threads; }
uint64_t Engine::plan_bytes() const { return state_->file().file_bytes(); }
uint64_t Engine::weight_bytes() const { return state_->file().constants_bytes(); }
LoadReport Engine::load_report() const { return state_->report(); }
size_t Engine::step_count(size_t profile) const {
  if (profile >= state_->profile_count()) return 0;
  return state_->program(profile).main().steps.size();
}

Result<ExecutionContext> Engine::create_context(ContextOptions options) const {
  if (options.max_loop_iterations < 0) {
    return Status(StatusCode::kInvalidArgument, "max_loop_iterations is " +
                                                    std::to_string(options.max_loop_iterations) +
                                                    "; give a positive number, or 0 for no limit");
  }
  if (options.scratch.state_ != nullptr &&
      &options.scratch.state_->backend() != &state_->backend()) {
    return Status(StatusCode::kInvalidArgument,
                  "the shared scratch memory is of another device than the engine, " +
                      state_->backend().device() + "; make one with create_shared_scratch()");
  }
  const int threads = options.threads == 0 ? this->threads() : options.threads;
  const backends::CurrentDevice current(state_->backend());
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                            state_->backend().create_stream(threads));
  std::unique_ptr<backends::Stream> host_stream;
  if (state_->is_mixed()) {
    PENSTOCK_ASSIGN_OR_RETURN(host_stream, state_->host().create_stream(threads));
  }
  auto context = std::make_unique<runtime::ContextState>(
      state_, std::move(stream), std::move(host_stream), options, options.scratch.state_);
  PENSTOCK_RETURN_IF_ERROR(context->set_profile(options.profile));
  return ExecutionContext(std::move(context));
}

SharedScratch Engine::create_shared_scratch() const {
  return SharedScratch(
      std::make_shared<runtime::ScratchState>(state_->shared_backend(), state_->shared_host()));
}

uint64_t SharedScratch::bytes() const { return state_ == nullptr ? 0 : state_->bytes(); }

Result<Stream> Engine::create_stream(int threads) const {
  return device().create_stream(threads == 0 ? this->threads() : threads);
}

ExecutionContext::ExecutionContext(std::unique_ptr<runtime::ContextState> state)
    : state_(std::move(state)) {}
ExecutionContext::ExecutionContext(ExecutionContext&&) noexcept = default;
ExecutionContext& ExecutionContext::operator=(ExecutionContext&&) noexcept = default;
ExecutionContext::~ExecutionContext() = default;

Status ExecutionContext::set_optimization_profile(int index) { return state_->set_profile(index); }
int ExecutionContext::optimization_profile() const { return state_->profile(); }
Status ExecutionContext::set_input_shape(std::string_view input, const Shape& shape) {
  return state_->set_input_shape(input, shape);
}
Status ExecutionContext::set_tensor_address(std::string_view tensor, void* address) {
  return state_->set_address(tensor, address);
}
Status ExecutionContext::set_output_allocator(std::string_view output, OutputAllocator* allocator) {
  return state_->set_allocator(output, allocator);
}
Status ExecutionContext::set_input(std::string_view input, const Value& value) {
  return state_->set_input(input, value);
}
Result<uint64_t> ExecutionContext::scratch_bytes() {
  const backends::CurrentDevice current(state_->engine().backend());
  return state_->scratch_bytes();
}
Status ExecutionContext::set_scratch_memory(void* memory, uint64_t bytes) {
  return state_->set_scratch_memory(memory, bytes);
}
void ExecutionContext::set_profiler(Profiler* profiler) { state_->profiler = profiler; }
void ExecutionContext::set_step_observer(StepObserver observer) {
  state_->observer = std::move(observer);
}
Result<Shape> ExecutionContext::tensor_shape(std::string_view tensor) {
  return state_->tensor_shape(tensor);
}
Status ExecutionContext::run() {
  const backends::CurrentDevice current(state_->engine().backend());
  return state_->run(state_->own_stream());
}
Status ExecutionContext::enqueue(Stream& stream) {
  backends::Backend& device = state_->engine().backend();
  if (stream.backend_.get() != &device) {
    return {StatusCode::kInvalidArgument, "the stream is of device " + stream.device() +
                                              ", and the engine runs on " + device.device() +
                                              "; Engine::create_stream() makes one there"};
  }
  const backends::CurrentDevice current(device);
  return state_->enqueue(stream.stream_);
}
Status ExecutionContext::set_input_consumed_event(const Event* event) {
  backends::Backend& device = state_->engine().backend();
  if (event != nullptr && event->backend_.get() != &device) {
    return {StatusCode::kInvalidArgument, "the event is of device " + event->backend_->device() +
                                              ", and the engine runs on " + device.device() +
                                              "; Device::create_event() makes one there"};
  }
  state_->set_consumed_event(event == nullptr ? nullptr : event->event_);
  return Status::ok();
}
Status ExecutionContext::wait() { return state_->wait(); }
void ExecutionContext::set_run_timing(bool on) { state_->set_run_timing(on); }
Result<std::vector<RunTimes>> ExecutionContext::take_run_times() {
  return state_->take_run_times();
}
void ExecutionContext::cancel() { state_->cancel(); }
Result<OutputView> ExecutionContext::output(std::string_view name) const {
  return state_->output(name);
}
Result<Value> ExecutionContext::output_value(std::string_view name) const {
  return guard_memory(kCopies, [&] { return state_->output_value(name); });
}
size_t ExecutionContext::memory_bytes() const { return state_->memory_bytes(); }

Result<std::map<std::string, Tensor>> ExecutionContext::run(
    const std::map<std::string, Tensor>& inputs) {
  for (const TensorInfo& info : state_->engine().inputs()) {
    if (inputs.count(info.name) == 0) {
      return Status(StatusCode::kInvalidArgument, "input '" + info.name + "' is missing");
    }
  }
  for (const auto* list : {&state_->engine().inputs(), &state_->engine().outputs()}) {
    for (const TensorInfo& info : *list) {
      if (info.kind == ValueKind::kTensor) continue;
      return Status(StatusCode::kInvalidArgument, "'" + info.name + "' is no tensor but " +
                                                      std::string(to_string(info.kind)) +
                                                      ": use run_values()");
    }
  }
  for (const auto& [name, tensor] : inputs) {
    PENSTOCK_RETURN_IF_ERROR(set_input_shape(name, tensor.shape()));
    for (const TensorInfo& info : state_->engine().inputs()) {
      if (info.name == name && info.dtype != tensor.dtype()) {
        return Status(StatusCode::kInvalidArgument,
                      "input '" + name + "' is " + std::string(to_string(tensor.dtype())) +
                          ", the model takes " + std::string(to_string(info.dtype)));
      }
    }
    PENSTOCK_RETURN_IF_ERROR(set_tensor_address(name, const_cast<void*>(tensor.data())));
  }
  const Status status = run();
  // The inputs are the caller's for this call only: forget where they were.
  for (const auto& [name, tensor] : inputs) (void)set_tensor_address(name, nullptr);
  PENSTOCK_RETURN_IF_ERROR(status);
  std::map<std::string, Tensor> outputs;
  for (const TensorInfo& info : state_->engine().outputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(const OutputView view, output(info.name));
    PENSTOCK_ASSIGN_OR_RETURN(Tensor copy,
                              guard_memory(kCopies, [&] { return state_->host_copy(view); }));
    outputs.emplace(info.name, std::move(copy));
  }
  return outputs;
}

Result<std::map<std::string, Value>> ExecutionContext::run_values(
    const std::map<std::string, Value>& inputs) {
  const std::vector<TensorInfo>& known = state_->engine().inputs();
  for (const auto& [name, value] : inputs) PENSTOCK_RETURN_IF_ERROR(set_input(name, value));
  for (const TensorInfo& info : known) {
    if (inputs.count(info.name) != 0) continue;
    if (info.kind == ValueKind::kTensor || info.kind == ValueKind::kSequence) {
      return Status(StatusCode::kInvalidArgument, "input '" + info.name + "' is missing");
    }
    PENSTOCK_RETURN_IF_ERROR(set_input(info.name, Value()));
  }
  PENSTOCK_RETURN_IF_ERROR(run());
  std::map<std::string, Value> outputs;
  for (const TensorInfo& info : state_->engine().outputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(outputs[info.name], output_value(info.name));
  }
  return outputs;
}

}  // namespace penstock
