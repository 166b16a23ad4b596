// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/scheduler.h"

#include <algorithm>

namespace penstock::serve {
namespace {

// Shorter executions are done on the thread that brings the request.
constexpr uint64_t kAtOnceNanoseconds = 25'000;

Error timed_out() {
  return {ErrorCode::kUnavailable, "Request timeout expired", FailureReason::kRejected};
}

Error cancelled() {
  return {ErrorCode::kCancelled, "the request was cancelled", FailureReason::kCancelled};
}

Error ended() {
  return {ErrorCode::kUnavailable, "the model was unloaded", FailureReason::kRejected};
}

}  // namespace

Scheduler::Scheduler(std::shared_ptr<const Executor> executor, RequestQueue queue,
                     std::vector<std::unique_ptr<Instance>> instances, const Options& options)
    : executor_(std::move(executor)), options_(options), queue_(std::move(queue)) {
  for (auto& instance : instances) {
    most_threads_ = std::max(most_threads_, instance->threads());
    instances_.push_back({std::move(instance), {}});
  }
  for (Slot& slot : instances_) free_.push_back(&slot);
  for (size_t i = 0; i < instances_.size(); ++i) threads_.emplace_back([this] { worker(); });
}

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  refuse(queue_.take_all(), ended());
}

bool Scheduler::runs_at_once() const {
  return queue_.size() == 0 && !free_.empty() && !queue_.waits_for_more() &&
         compute_ns_ < kAtOnceNanoseconds;
}

void Scheduler::submit(std::shared_ptr<InferenceRequest> request, int64_t items) {
  QueuedRequest queued;
  queued.request = std::move(request);
  queued.items = items;
  ++in_flight_;
  std::unique_lock lock(mutex_);
  if (runs_at_once() && (options_.cores == nullptr || options_.cores->try_take(most_threads_))) {
    queued.enqueued = Clock::now();
    std::vector<QueuedRequest> batch;
    batch.push_back(std::move(queued));
    Work work = begin(std::move(batch));
    lock.unlock();
    perform(std::move(work));
    return;
  }
  const std::shared_ptr<InferenceRequest> kept = queued.request;
  const Error refused = queue_.push(std::move(queued), Clock::now());
  const Clock::time_point timeout = queue_.next_timeout();
  lock.unlock();
  if (!refused.is_ok()) {
    std::vector<QueuedRequest> one(1);
    one[0].request = kept;
    refuse(std::move(one), refused);
    return;
  }
  work_.notify_one();
  if (timeout != Clock::time_point::max()) watch_timeout(timeout);
  // It may have come before the request was in the queue.
  if (kept->is_cancelled()) request_cancelled();
}

// Under the lock: takes a free instance.
Scheduler::Work Scheduler::begin(std::vector<QueuedRequest> batch) {
  Work work;
  work.slot = free_.back();
  free_.pop_back();
  for (const QueuedRequest& request : batch) work.slot->running.push_back(request.request);
  work.batch = std::move(batch);
  work.ticket = next_ticket_++;
  return work;
}

// Has the cores that it needs, and gives them back.
void Scheduler::perform(Work work) {
  Instance& instance = *work.slot->instance;
  uint64_t compute_ns = 0;
  std::vector<Finished> finished = executor_->execute(instance, std::move(work.batch), compute_ns);
  if (options_.cores != nullptr) options_.cores->give_back(most_threads_);
  bool is_more = false;
  {
    std::lock_guard lock(mutex_);
    work.slot->running.clear();
    free_.push_back(work.slot);
    if (compute_ns > 0) {
      compute_ns_ = compute_ns_ == UINT64_MAX ? compute_ns : (compute_ns_ * 7 + compute_ns) / 8;
    }
    is_more = queue_.size() > 0;
  }
  if (is_more) work_.notify_one();
  release(work.ticket, std::move(finished));
}

void Scheduler::release(uint64_t ticket, std::vector<Finished> finished) {
  if (!options_.keeps_order) {
    finish(finished);
    return;
  }
  // Completions do not block, so the lock may be held: it is what keeps their order.
  std::lock_guard lock(release_mutex_);
  waiting_for_release_.emplace(ticket, std::move(finished));
  while (!waiting_for_release_.empty() && waiting_for_release_.begin()->first == next_release_) {
    finish(waiting_for_release_.begin()->second);
    waiting_for_release_.erase(waiting_for_release_.begin());
    ++next_release_;
  }
}

void Scheduler::finish(std::vector<Finished>& finished) {
  for (Finished& one : finished) {
    one.request->complete(std::move(one.response));
    one.request = nullptr;
  }
  in_flight_ -= finished.size();
}

void Scheduler::refuse(std::vector<QueuedRequest> requests, const Error& error) {
  std::vector<Finished> finished;
  for (QueuedRequest& request : requests) {
    finished.push_back(executor_->refuse(std::move(request), error));
  }
  finish(finished);
}

// Cores first: while it waits for them, the batch grows.
bool Scheduler::take_work(std::unique_lock<std::mutex>& lock, Work& work) {
  if (options_.cores != nullptr && !options_.cores->try_take(most_threads_)) {
    lock.unlock();
    options_.cores->take(most_threads_);
    lock.lock();
  }
  Clock::time_point again;
  std::vector<QueuedRequest> batch;
  if (!is_ending_ && !free_.empty()) batch = queue_.take_batch(Clock::now(), again);
  if (batch.empty()) {
    if (options_.cores != nullptr) options_.cores->give_back(most_threads_);
    return false;
  }
  work = begin(std::move(batch));
  return true;
}

// Waits for a batch and an instance; false when the scheduler ends.
bool Scheduler::next_work(std::unique_lock<std::mutex>& lock, Work& work) {
  while (true) {
    if (is_ending_) return false;
    if (free_.empty()) {
      work_.wait(lock);
      continue;
    }
    Clock::time_point again = Clock::time_point::max();
    std::vector<QueuedRequest> expired = queue_.take_expired(Clock::now());
    if (!expired.empty()) {
      lock.unlock();
      refuse(std::move(expired), timed_out());
      lock.lock();
      continue;
    }
    if (queue_.is_due(Clock::now(), again)) {
      if (take_work(lock, work)) return true;
      continue;
    }
    if (again == Clock::time_point::max()) {
      work_.wait(lock);
    } else {
      work_.wait_until(lock, again);
    }
  }
}

void Scheduler::worker() {
  std::unique_lock lock(mutex_);
  Work work;
  while (next_work(lock, work)) {
    const bool is_more = queue_.size() > 0 && !free_.empty();
    lock.unlock();
    if (is_more) work_.notify_one();
    perform(std::move(work));
    lock.lock();
  }
}

void Scheduler::request_cancelled() {
  std::vector<QueuedRequest> gone;
  {
    std::lock_guard lock(mutex_);
    gone = queue_.take_cancelled();
    for (Slot& slot : instances_) {
      const bool nobody_waits =
          !slot.running.empty() &&
          std::all_of(slot.running.begin(), slot.running.end(),
                      [](const auto& request) { return request->is_cancelled(); });
      if (nobody_waits) slot.instance->cancel();
    }
  }
  refuse(std::move(gone), cancelled());
}

// While all instances are busy, nobody looks at the queue: then the timer does.
void Scheduler::watch_timeout(Clock::time_point timeout) {
  {
    std::lock_guard lock(mutex_);
    if (watched_ <= timeout) return;
    watched_ = timeout;
  }
  options_.timer->call_at(timeout, [weak = weak_from_this()] {
    if (const std::shared_ptr<Scheduler> self = weak.lock()) self->expire();
  });
}

void Scheduler::expire() {
  std::vector<QueuedRequest> expired;
  Clock::time_point next = Clock::time_point::max();
  {
    std::lock_guard lock(mutex_);
    watched_ = Clock::time_point::max();
    expired = queue_.take_expired(Clock::now());
    next = queue_.next_timeout();
  }
  refuse(std::move(expired), timed_out());
  if (next != Clock::time_point::max()) watch_timeout(next);
}

size_t Scheduler::in_flight() const { return in_flight_; }

size_t Scheduler::pending() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

bool Scheduler::is_idle() const {
  std::lock_guard lock(mutex_);
  return in_flight_ == 0 && queue_.size() == 0 && free_.size() == instances_.size();
}

size_t Scheduler::memory_bytes() const {
  std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const Slot& slot : instances_) {
    if (slot.running.empty()) bytes += slot.instance->memory_bytes();
  }
  return bytes;
}

}  // namespace penstock::serve
