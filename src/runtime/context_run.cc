// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One run of a context: at once, or put into a stream.
#include <chrono>

#include "ir/storage.h"
#include "runtime/bind_kernel.h"
#include "runtime/context_state.h"
#include "runtime/late.h"

namespace penstock::runtime {

using plan::Slot;

Status ContextState::run(backends::Stream& stream) {
  if (is_issued_) (void)wait();
  PENSTOCK_RETURN_IF_ERROR(prepare());
  const Status status = execute(stream);
  release_scratch();
  PENSTOCK_RETURN_IF_ERROR(status);
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
  ScratchState::Turn turn(scratch_.get());
  PENSTOCK_RETURN_IF_ERROR(turn.wait());
  if (host_stream_ != nullptr) host_stream_->enter();
  const Status status = enqueue_steps(stream);
  const Status ended = stream.flush();
  return status.is_ok() ? ended : status;
}

Status ContextState::enqueue_steps(backends::Stream& stream) {
  stream.enter();
  begin_run();
  mark(RunTimer::kBegin, stream);
  PENSTOCK_RETURN_IF_ERROR(stage_inputs(stream));
  mark(RunTimer::kCopiedIn, stream);
  PENSTOCK_RETURN_IF_ERROR(execute_or_replay(stream));
  mark(RunTimer::kComputed, stream);
  PENSTOCK_RETURN_IF_ERROR(copy_staged(staged_outputs_, stream));
  mark(RunTimer::kCopiedOut, stream);
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
  if (timer_ != nullptr) timer_->set_replayed(true);
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

Result<double> ContextState::time_step(size_t i, int repeats) {
  stream_->enter();
  return stream_->time([this, i] { return execute_step(i, *stream_); }, repeats);
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
  if (can_issue(*stream)) {
    Status status = issue(stream);
    release_scratch();
    return status;
  }
  if (is_issued_) {
    const Status ordered = stream->wait_for(issued_);
    if (!ordered.is_ok()) release_scratch();
    PENSTOCK_RETURN_IF_ERROR(ordered);
  }
  {
    std::lock_guard lock(mutex_);
    ++pending_;
  }
  auto work = [this, queue = stream.get()] {
    Status status = execute(*queue);
    release_scratch();
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
  ScratchState::Turn turn(scratch_.get());
  PENSTOCK_RETURN_IF_ERROR(turn.follow(*stream));
  Status status = enqueue_steps(*stream);
  if (const Status handed = turn.hand_over(*stream); status.is_ok()) status = handed;
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

void ContextState::set_run_timing(bool on) {
  (void)wait();
  timer_ = on ? std::make_unique<RunTimer>(engine_->backend()) : nullptr;
}

Result<std::vector<RunTimes>> ContextState::take_run_times() {
  (void)wait();
  return timer_ == nullptr ? std::vector<RunTimes>() : timer_->take();
}

void ContextState::set_consumed_event(std::shared_ptr<backends::Event> event) {
  (void)wait();
  consumed_ = std::move(event);
}

}  // namespace penstock::runtime
