// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "backends/backend.h"
#include "base/thread_team.h"

namespace penstock::backends {

// A queue served by one worker thread, started at the first enqueue, whose kernels share a team of
// threads. Kernels called without the queue (a synchronous run) use the caller as the team's first
// thread.
class CpuStream : public Stream {
 public:
  explicit CpuStream(int threads) : team_(threads) {}
  ~CpuStream() override;

  void enqueue(std::function<void()> work) override;
  Status synchronize() override;
  void enter() override { team_.enter(); }
  int width() const override { return team_.width(); }
  const ThreadTeam& team() const { return team_; }

 private:
  void serve();

  ThreadTeam team_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool busy_ = false;
  bool stopping_ = false;
  std::thread worker_;
};

// The team that a CPU kernel splits its loops over.
inline const ThreadTeam& team_of(const Stream& stream) {
  return static_cast<const CpuStream&>(stream).team();
}

}  // namespace penstock::backends
