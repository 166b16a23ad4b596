// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/context_state.h"

#include <algorithm>
#include <chrono>

#include "base/names.h"
#include "ir/graph.h"
#include "runtime/bind_kernel.h"
#include "runtime/late.h"

namespace penstock::runtime {

using plan::Slot;

namespace {

std::vector<std::string> names_of(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& info : tensors) names.push_back(info.name);
  return names;
}

}  // namespace

ContextState::ContextState(std::shared_ptr<EngineState> engine,
                           std::unique_ptr<backends::Stream> stream,
                           std::unique_ptr<backends::Stream> host_stream,
                           const ContextOptions& options)
    : engine_(std::move(engine)),
      stream_(std::move(stream)),
      host_stream_(std::move(host_stream)),
      memory_(options.max_memory_bytes == 0 ? machine_memory() : options.max_memory_bytes),
      // Without a limit a device says itself when it is full.
      device_memory_(options.max_memory_bytes == 0 ? UINT64_MAX : options.max_memory_bytes),
      most_iterations_(options.max_loop_iterations),
      program_(&engine_->program(0)),
      runs_(engine_->profile_count()),
      values_(engine_->inputs().size()),
      values_known_(engine_->inputs().size()),
      input_addresses_(engine_->inputs().size()),
      output_addresses_(engine_->outputs().size()),
      allocators_(engine_->outputs().size()),
      slot_addresses_(program_->program().slots.size()),
      slot_allocators_(slot_addresses_.size()),
      arena_(engine_->host(), memory_),
      device_arena_(engine_->backend(), device_memory_) {
  for (const TensorInfo& info : engine_->inputs()) {
    // The shape of a sequence's tensors is not its own: it is one handle.
    const Shape shape = info.kind == ValueKind::kTensor ? info.shape : Shape();
    input_shapes_.push_back(shape);
    input_set_.push_back(std::count(shape.begin(), shape.end(), -1) == 0);
  }
  for (size_t i : engine_->shape_inputs()) {
    values_[i].resize(static_cast<size_t>(element_count(input_shapes_[i])));
  }
  held_inputs_.resize(engine_->inputs().size());
  for (size_t i = 0; i < engine_->outputs().size(); ++i) {
    output_buffers_.emplace_back(engine_->backend(), memory_, true);
    device_outputs_.emplace_back(engine_->backend(), device_memory_);
  }
  for (size_t i = 0; i < engine_->inputs().size(); ++i) {
    device_inputs_.emplace_back(engine_->backend(), device_memory_);
    host_inputs_.emplace_back(engine_->backend(), memory_, true);
  }
}

ContextState::~ContextState() { (void)wait(); }

int ContextState::slot_of(Place place) const {
  return place.is_input ? program_->main().inputs[place.position]
                        : program_->main().outputs[place.position];
}

Result<ContextState::Place> ContextState::find_tensor(std::string_view name, bool inputs,
                                                      bool outputs) const {
  for (const bool is_input : {true, false}) {
    if (!(is_input ? inputs : outputs)) continue;
    const std::vector<TensorInfo>& tensors = is_input ? engine_->inputs() : engine_->outputs();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name == name) return Place{is_input, i};
    }
  }
  std::vector<std::string> known;
  if (inputs) known = names_of(engine_->inputs());
  if (outputs) {
    for (std::string& other : names_of(engine_->outputs())) known.push_back(std::move(other));
  }
  return Status(StatusCode::kInvalidArgument, std::string("no ") +
                                                  (inputs && outputs ? "input or output"
                                                   : inputs          ? "input"
                                                                     : "output") +
                                                  " is named '" + std::string(name) + "'; " +
                                                  suggest(name, known));
}

Status ContextState::check_shape(size_t input, const Shape& shape) const {
  const Slot& facts = program_->program().slots[program_->main().inputs[input]];
  const std::string what = "input '" + facts.name + "' of shape " + to_string(shape);
  if (shape.size() != facts.shape.size()) {
    return {StatusCode::kInvalidArgument,
            what + " has rank " + std::to_string(shape.size()) + ", the model's is " +
                std::to_string(facts.shape.size()) + ": " + ir::to_string(facts.shape)};
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const std::string where = what + ": extent " + std::to_string(i);
    if (facts.shape[i].is_constant() && facts.shape[i].constant() != shape[i]) {
      return {StatusCode::kInvalidArgument, where + " must be " + facts.shape[i].to_string() +
                                                ", as in " + ir::to_string(facts.shape)};
    }
    if (shape[i] < 0) return {StatusCode::kInvalidArgument, where + " is negative"};
  }
  return check_limits(input, shape);
}

Status ContextState::set_input_shape(std::string_view name, const Shape& shape) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place input, find_tensor(name, true, false));
  const size_t position = input.position;
  PENSTOCK_RETURN_IF_ERROR(check_shape(position, shape));
  if (input_set_[position] && input_shapes_[position] == shape) return Status::ok();
  (void)wait();
  input_shapes_[position] = shape;
  input_set_[position] = true;
  shapes_changed_ = true;
  return Status::ok();
}

Status ContextState::set_address(std::string_view name, void* address) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, true, true));
  const int slot = slot_of(where);
  if (!where.is_input && program_->is_late_slot(slot)) {
    return {StatusCode::kInvalidArgument,
            "the shape of output '" + std::string(name) +
                "' depends on data: give an output allocator, or read "
                "it with output()"};
  }
  if (program_->program().slots[slot].element) {
    return {StatusCode::kInvalidArgument, "'" + std::string(name) +
                                              "' is no tensor and has no address: use " +
                                              (where.is_input ? "set_input()" : "output_value()")};
  }
  place(where, address);
  if (where.is_input && !held_inputs_[where.position].value.is_none()) {
    (void)wait();
    held_inputs_[where.position] = {};
  }
  return Status::ok();
}

void ContextState::place(Place where, void* address) {
  void*& present = (where.is_input ? input_addresses_ : output_addresses_)[where.position];
  if (present == address) return;
  (void)wait();
  present = address;
  slot_addresses_[program_->root_of(slot_of(where))] = address;
  addresses_changed_ = true;
}

Status ContextState::set_allocator(std::string_view name, OutputAllocator* allocator) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, false, true));
  const int slot = slot_of(where);
  if (program_->program().slots[slot].element) {
    return {StatusCode::kInvalidArgument,
            "output '" + std::string(name) + "' is no tensor: use output_value()"};
  }
  if (!program_->is_late_slot(slot)) {
    return {StatusCode::kInvalidArgument, "the shape of output '" + std::string(name) +
                                              "' follows from the inputs: set its address instead"};
  }
  (void)wait();
  allocators_[where.position] = allocator;
  slot_allocators_[program_->root_of(slot)] = allocator;
  return Status::ok();
}

Status ContextState::take_output_memory() {
  const auto& outputs = program_->main().outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int root = program_->root_of(outputs[i]);
    if (output_addresses_[i] != nullptr || program_->is_late_slot(root)) continue;
    const Slot& facts = program_->program().slots[root];
    PENSTOCK_RETURN_IF_ERROR(output_buffers_[i].resize(
        ir::storage_bytes(facts.dtype, binding().shapes[root], facts.layout)));
  }
  return Status::ok();
}

Status ContextState::check_addresses() const {
  for (size_t i = 0; i < input_addresses_.size(); ++i) {
    if (input_addresses_[i] == nullptr && element_count(input_shapes_[i]) > 0) {
      return {StatusCode::kInvalidArgument,
              "input '" + engine_->inputs()[i].name + "' has no address: set it before running"};
    }
  }
  return Status::ok();
}

Status ContextState::prepare() {
  read_values();
  if (shapes_changed_ || prepared_ == nullptr) {
    PENSTOCK_RETURN_IF_ERROR(bind());
    shapes_changed_ = false;
    addresses_changed_ = true;
  }
  if (!addresses_changed_) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(check_addresses());
  PENSTOCK_RETURN_IF_ERROR(take_output_memory());
  if (engine_->is_mixed()) PENSTOCK_RETURN_IF_ERROR(place_on_device());
  for (size_t i = 0; i < prepared_->frames.size(); ++i) {
    if (prepared_->frames[i] == nullptr) continue;
    const int64_t offset = binding().workspace_offsets[i];
    const DeviceBuffer& arena = program_->steps(0)[i].on_device ? device_arena_ : arena_;
    prepared_->frames[i]->refresh(*this, offset < 0 ? nullptr : arena.data() + offset);
  }
  prepared_->recording.reset();
  prepared_->plain_runs = 0;
  addresses_changed_ = false;
  return Status::ok();
}

void* ContextState::address_of(int slot) const {
  const int root = program_->root_of(slot);
  const Slot& facts = program_->program().slots[root];
  if (facts.kind == Slot::Kind::kConstant)
    return const_cast<void*>(program_->constant_address(root));
  if (slot_addresses_[root] != nullptr || facts.kind == Slot::Kind::kInput) {
    return slot_addresses_[root];
  }
  const int64_t offset = binding().slot_offsets[root];
  if (offset >= 0) return (facts.on_device ? device_arena_ : arena_).data() + offset;
  const auto& outputs = program_->main().outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (program_->root_of(outputs[i]) == root) return output_buffers_[i].data();
  }
  return nullptr;
}

Result<Shape> ContextState::tensor_shape(std::string_view name) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, true, true));
  read_values();
  PENSTOCK_RETURN_IF_ERROR(choose_profile().status());
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> symbols, symbols_of_inputs());
  Shape shape;
  for (int dim : program_->slot_dims()[slot_of(where)])
    shape.push_back(program_->dims().evaluate(dim, symbols));
  return shape;
}

Status ContextState::run(backends::Stream& stream) {
  if (is_issued_) (void)wait();
  PENSTOCK_RETURN_IF_ERROR(prepare());
  PENSTOCK_RETURN_IF_ERROR(execute(stream));
  return consumed_ == nullptr || stream.is_asynchronous() ? Status::ok()
                                                          : consumed_->record(stream);
}

void ContextState::begin_run() {
  objects_.clear();
  memory_.give_back(held_by_kernels_);
  held_by_kernels_ = 0;
  iterations_ = 0;
  cancelled_.store(false, std::memory_order_relaxed);
}

Status ContextState::hold_memory(int64_t bytes) {
  if (bytes > 0) {
    PENSTOCK_RETURN_IF_ERROR(memory_.take(bytes));
  } else {
    memory_.give_back(-bytes);
  }
  held_by_kernels_ += bytes;
  return Status::ok();
}

Status ContextState::check_limits() {
  if (cancelled_.load(std::memory_order_relaxed)) {
    return {StatusCode::kCancelled, "the run was cancelled"};
  }
  return Status::ok();
}

Status ContextState::count_iteration() {
  if (most_iterations_ == 0 || iterations_++ < most_iterations_) return Status::ok();
  return {StatusCode::kCancelled, "the loops of this run went on for more than " +
                                      std::to_string(most_iterations_) +
                                      " iterations; max_loop_iterations sets the limit"};
}

Status ContextState::execute(backends::Stream& stream) {
  if (host_stream_ != nullptr) host_stream_->enter();
  const Status status = enqueue_steps(stream);
  const Status ended = stream.flush();
  return status.is_ok() ? ended : status;
}

Status ContextState::enqueue_steps(backends::Stream& stream) {
  stream.enter();
  begin_run();
  PENSTOCK_RETURN_IF_ERROR(stage_inputs(stream));
  PENSTOCK_RETURN_IF_ERROR(execute_or_replay(stream));
  PENSTOCK_RETURN_IF_ERROR(copy_staged(staged_outputs_, stream));
  if (consumed_ == nullptr || all_staged_ || !stream.is_asynchronous()) return Status::ok();
  return consumed_->record(stream);
}

// Addresses that stayed for a few runs will stay: then the steps are recorded.
Status ContextState::execute_or_replay(backends::Stream& stream) {
  constexpr int kRunsBefore = 2;
  Prepared& prepared = *prepared_;
  if (profiler != nullptr || observer || !program_->is_recordable() || prepared.cannot_record ||
      stream.is_captured()) {
    return execute_steps(stream);
  }
  if (prepared.recording == nullptr && prepared.plain_runs++ < kRunsBefore) {
    return execute_steps(stream);
  }
  if (prepared.recording == nullptr) {
    // Not on a stream of the caller's: others may use it meanwhile.
    PENSTOCK_RETURN_IF_ERROR(stream_->begin_recording());
    const Status status = execute_steps(*stream_);
    Result<std::unique_ptr<backends::Recording>> recording = stream_->end_recording();
    if (!status.is_ok() || !recording.is_ok()) {
      prepared.cannot_record = true;
      return execute_steps(stream);
    }
    prepared.recording = *std::move(recording);
  }
  return prepared.recording->replay(stream);
}

Status ContextState::execute_steps(backends::Stream& stream) {
  const auto& steps = program_->steps(0);
  bool late_started = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].late && !late_started) {
      std::unique_ptr<LateRunner>& runner = runs_[profile_].late;
      if (runner == nullptr) runner = std::make_unique<LateRunner>(*this);
      late_ = runner.get();
      late_->begin(host_stream(stream));
      late_started = true;
    }
    const Status status = profiler == nullptr ? execute_step(i, stream) : timed_step(i, stream);
    if (!status.is_ok()) {
      return status.with_context("step '" + steps[i].step->name + "' (" + steps[i].step->op + ")");
    }
    if (observer) observe(steps[i]);
    if (late_started) late_->recycle(static_cast<int>(i), steps[i]);
  }
  return Status::ok();
}

Status ContextState::timed_step(size_t i, backends::Stream& stream) {
  const auto begin = std::chrono::steady_clock::now();
  PENSTOCK_RETURN_IF_ERROR(execute_step(i, stream));
  PENSTOCK_RETURN_IF_ERROR(stream.flush());
  const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - begin;
  profiler->report_step(program_->steps(0)[i].step->name, time.count());
  return Status::ok();
}

Status ContextState::execute_step(size_t i, backends::Stream& stream) {
  const StepCode& code = program_->steps(0)[i];
  PENSTOCK_RETURN_IF_ERROR(check_limits());
  if (code.late) return late_->run_step(code);
  StepFrame& frame = *prepared_->frames[i];
  frame.set_stream(code.on_device ? stream : host_stream(stream));
  return run_kernel(*binding().kernels[i], frame);
}

void ContextState::observe(const StepCode& code) const {
  for (int slot : code.step->outputs) {
    if (slot < 0) continue;
    const Slot& facts = program_->program().slots[slot];
    if (facts.element) continue;  // no tensor
    const Result<Shape> shape =
        code.late ? late_->shape_of(slot) : Result<Shape>(binding().shapes[slot]);
    if (!shape.is_ok()) continue;
    const void* data = code.late ? late_->data_of(slot) : address_of(slot);
    std::vector<std::byte> copy;
    if (facts.on_device) {
      copy.resize(ir::storage_bytes(facts.dtype, *shape, facts.layout));
      const Status copied = engine_->backend().copy_out(copy.data(), data, copy.size(), *stream_);
      if (!copied.is_ok() || !stream_->synchronize().is_ok()) continue;
      data = copy.data();
    }
    observer(facts.name, facts.dtype, *shape, ir::to_string(facts.layout), data);
  }
}

Status ContextState::enqueue(const std::shared_ptr<backends::Stream>& stream) {
  if (stream->width() != stream_->width()) {
    return {StatusCode::kInvalidArgument,
            "the stream has " + std::to_string(stream->width()) + " threads and the context " +
                std::to_string(stream_->width()) + "; create both with the same number"};
  }
  PENSTOCK_RETURN_IF_ERROR(prepare());
  if (can_issue(*stream)) return issue(stream);
  if (is_issued_) PENSTOCK_RETURN_IF_ERROR(stream->wait_for(issued_));
  {
    std::lock_guard lock(mutex_);
    ++pending_;
  }
  auto work = [this, queue = stream.get()] {
    Status status = execute(*queue);
    std::lock_guard lock(mutex_);
    enqueued_status_ = std::move(status);
    --pending_;
    ended_.notify_all();
  };
  if (consumed_ == nullptr) {
    stream->enqueue(work);
    return Status::ok();
  }
  // Who waits for the event from here on must find it recorded.
  if (!stream->is_asynchronous()) {
    stream->enqueue(work);
    return consumed_->record(*stream);
  }
  PENSTOCK_RETURN_IF_ERROR(stream->settle());
  work();
  return Status::ok();
}

// True where the calling thread can put a whole run into the stream without waiting for the device.
bool ContextState::can_issue(backends::Stream& stream) const {
  return stream.is_asynchronous() && program_->is_recordable() && profiler == nullptr && !observer;
}

Status ContextState::issue(const std::shared_ptr<backends::Stream>& stream) {
  {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return pending_ == 0; });
  }
  PENSTOCK_RETURN_IF_ERROR(stream->settle());
  const bool same = !issued_to_.owner_before(stream) && !stream.owner_before(issued_to_);
  if (is_issued_ && !same) PENSTOCK_RETURN_IF_ERROR(stream->wait_for(issued_));
  Status status = enqueue_steps(*stream);
  if (!stream->is_captured()) {
    if (issued_ == nullptr) issued_ = engine_->backend().create_event();
    const Status recorded = issued_->record(*stream);
    if (status.is_ok()) status = recorded;
    issued_to_ = stream;
    is_issued_ = true;
  }
  std::lock_guard lock(mutex_);
  enqueued_status_ = status;
  return status;
}

Status ContextState::wait() {
  if (is_issued_) {
    is_issued_ = false;
    Status status = issued_->wait();
    std::lock_guard lock(mutex_);
    if (enqueued_status_.is_ok()) enqueued_status_ = std::move(status);
  }
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return pending_ == 0; });
  return enqueued_status_;
}

void ContextState::set_consumed_event(std::shared_ptr<backends::Event> event) {
  (void)wait();
  consumed_ = std::move(event);
}

Result<const void*> ContextState::output_data(int slot) const {
  const bool late = program_->is_late_slot(slot);
  if (prepared_ == nullptr || (late && late_ == nullptr)) {
    return Status(StatusCode::kInvalidArgument,
                  "output '" + program_->program().slots[slot].name + "': nothing has run yet");
  }
  if (late) return static_cast<const void*>(late_->data_of(slot));
  if (!engine_->is_mixed()) return static_cast<const void*>(address_of(slot));
  // The caller's memory, wherever it is, or the copy on the host.
  const auto& outputs = program_->main().outputs;
  const auto position = std::find(outputs.begin(), outputs.end(), slot) - outputs.begin();
  if (output_addresses_[position] != nullptr) {
    return static_cast<const void*>(output_addresses_[position]);
  }
  if (!program_->program().slots[slot].on_device) {
    return static_cast<const void*>(address_of(slot));
  }
  return static_cast<const void*>(output_buffers_[position].data());
}

Result<OutputView> ContextState::output(std::string_view name) const {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, false, true));
  const int slot = slot_of(where);
  PENSTOCK_ASSIGN_OR_RETURN(const void* data, output_data(slot));
  const Slot& facts = program_->program().slots[slot];
  if (facts.element) {
    return Status(StatusCode::kInvalidArgument,
                  "output '" + std::string(name) + "' is no tensor: use output_value()");
  }
  if (!program_->is_late_slot(slot)) return OutputView{facts.dtype, binding().shapes[slot], data};
  PENSTOCK_ASSIGN_OR_RETURN(Shape shape, late_->shape_of(slot));
  return OutputView{facts.dtype, std::move(shape), data};
}

}  // namespace penstock::runtime
