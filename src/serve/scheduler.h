// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The queue of one version of a model, and the threads of its instances.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/core_budget.h"
#include "serve/executor.h"
#include "serve/timer.h"

namespace penstock::serve {

class Scheduler : public CancellationListener, public std::enable_shared_from_this<Scheduler> {
 public:
  struct Options {
    std::shared_ptr<CoreBudget> cores;  // null: instances are not the CPU's
    std::shared_ptr<Timer> timer;
    bool keeps_order = false;  // responses leave in the order of the requests
  };

  Scheduler(std::shared_ptr<const Executor> executor, RequestQueue queue,
            std::vector<std::unique_ptr<Instance>> instances, const Options& options);
  ~Scheduler() override;

  // A checked request. What is done in microseconds is done on the calling thread, where an
  // instance is free: waking another would take longer.
  void submit(std::shared_ptr<InferenceRequest> request, int64_t items);
  void request_cancelled() override;

  size_t pending() const;    // queued, not begun
  size_t in_flight() const;  // not completed
  bool is_idle() const;      // nothing is queued or under way
  size_t instance_count() const { return instances_.size(); }
  size_t memory_bytes() const;

 private:
  struct Slot {
    std::unique_ptr<Instance> instance;
    std::vector<std::shared_ptr<InferenceRequest>> running;  // for cancel()
  };
  // A batch and where it stands in the order of responses.
  struct Work {
    Slot* slot = nullptr;
    std::vector<QueuedRequest> batch;
    uint64_t ticket = 0;
  };

  void worker();
  bool next_work(std::unique_lock<std::mutex>& lock, Work& work);
  Work begin(std::vector<QueuedRequest> batch);
  bool take_work(std::unique_lock<std::mutex>& lock, Work& work);
  void perform(Work work);
  void finish(std::vector<Finished>& finished);
  void release(uint64_t ticket, std::vector<Finished> finished);
  void refuse(std::vector<QueuedRequest> requests, const Error& error);
  void watch_timeout(Clock::time_point timeout);
  void expire();
  bool runs_at_once() const;

  const std::shared_ptr<const Executor> executor_;
  const Options options_;
  int most_threads_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  RequestQueue queue_;
  std::vector<Slot> instances_;
  std::vector<Slot*> free_;
  uint64_t next_ticket_ = 0;
  uint64_t compute_ns_ = UINT64_MAX;  // of the last executions, smoothed
  Clock::time_point watched_ = Clock::time_point::max();
  bool is_ending_ = false;
  std::atomic<size_t> in_flight_{0};

  std::mutex release_mutex_;
  uint64_t next_release_ = 0;
  std::map<uint64_t, std::vector<Finished>> waiting_for_release_;

  std::vector<std::thread> threads_;
};

}  // namespace penstock::serve
