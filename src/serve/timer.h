// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "serve/inference.h"

namespace penstock::serve {

// One thread that calls functions when their time has come; they must not block.
class Timer {
 public:
  Timer();
  ~Timer();  // what has not come by then does not come
  void call_at(Clock::time_point when, std::function<void()> function);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, std::function<void()>> calls_;
  bool is_ending_ = false;
  std::thread thread_;
};

}  // namespace penstock::serve
