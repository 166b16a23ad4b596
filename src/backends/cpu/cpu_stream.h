// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "backends/backend.h"
#include "base/thread_team.h"

namespace penstock::backends {

// Functions in order, in a ring that grows: where it is large enough, nothing is allocated.
class WorkQueue {
 public:
  bool empty() const { return count_ == 0; }
  void push(std::function<void()> work);
  std::function<void()> pop();

 private:
  std::vector<std::function<void()>> ring_ = std::vector<std::function<void()>>(64);
  size_t first_ = 0;
  size_t count_ = 0;
};

// A queue served by one worker thread, started at the first enqueue, whose kernels share a team of
// threads. Kernels called without the queue (a synchronous run) use the caller as the team's first
// thread.
class CpuStream : public Stream {
 public:
  explicit CpuStream(int threads) : team_(threads) {}
  ~CpuStream() override;

  void enqueue(std::function<void()> work) override;
  Status synchronize() override;
  Result<bool> is_done() override;
  void enter() override { team_.enter(); }
  int width() const override { return team_.width(); }
  const ThreadTeam& team() const { return team_; }

 private:
  void serve();
  void linger() const;

  ThreadTeam team_;
  std::mutex mutex_;
  std::condition_variable arrived_;  // for the worker
  std::condition_variable idle_;     // for synchronize()
  WorkQueue queue_;
  // Counts what was enqueued, for a worker that looks without the lock.
  std::atomic<uint64_t> arrivals_{0};
  uint64_t seen_ = 0;      // arrivals that the worker knew of when it ran out of work
  bool sleeping_ = false;  // the worker waits to be woken
  bool busy_ = false;
  bool stopping_ = false;
  std::thread worker_;
};

// The team that a CPU kernel splits its loops over.
inline const ThreadTeam& team_of(const Stream& stream) {
  return static_cast<const CpuStream&>(stream).team();
}

}  // namespace penstock::backends
