// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/timer.h"

namespace penstock::serve {

Timer::Timer() : thread_([this] { run(); }) {}

Timer::~Timer() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Timer::call_at(Clock::time_point when, std::function<void()> function) {
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    is_first = calls_.emplace(when, std::move(function)) == calls_.begin();
  }
  if (is_first) changed_.notify_all();
}

void Timer::run() {
  std::unique_lock lock(mutex_);
  while (!is_ending_) {
    if (calls_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = calls_.begin();
    if (first->first > Clock::now()) {
      changed_.wait_until(lock, first->first);
      continue;
    }
    const std::function<void()> function = std::move(first->second);
    calls_.erase(first);
    lock.unlock();
    function();
    lock.lock();
  }
}

}  // namespace penstock::serve
