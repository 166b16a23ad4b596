// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace penstock::serve {

// The processor's cores, which executions on the CPU take and give back, so that contexts side by
// side never have more runnable threads than there are. Who asked first gets them first.
class CoreBudget {
 public:
  explicit CoreBudget(int cores) : cores_(std::max(1, cores)), free_(cores_) {}

  int cores() const { return cores_; }

  void take(int count) {
    std::unique_lock lock(mutex_);
    const uint64_t ticket = next_ticket_++;
    freed_.wait(lock, [&] { return ticket == serving_ && free_ >= clamped(count); });
    free_ -= clamped(count);
    ++serving_;
    freed_.notify_all();
  }
  // False, at once, where they are not free or somebody waits.
  bool try_take(int count) {
    std::lock_guard lock(mutex_);
    if (serving_ != next_ticket_ || free_ < clamped(count)) return false;
    free_ -= clamped(count);
    return true;
  }
  void give_back(int count) {
    {
      std::lock_guard lock(mutex_);
      free_ += clamped(count);
      if (serving_ == next_ticket_) return;
    }
    freed_.notify_all();
  }

 private:
  int clamped(int count) const { return std::clamp(count, 1, cores_); }

  const int cores_;
  std::mutex mutex_;
  std::condition_variable freed_;
  int free_;
  uint64_t next_ticket_ = 0;
  uint64_t serving_ = 0;
};

}  // namespace penstock::serve
