// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace penstock::runtime {

// Tells what an engine's loading is spent on, phase after phase.
class LoadTimer {
 public:
  // The phase that ends here began where the last one ended.
  void finish(std::string phase) {
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double, std::milli> took = now - begin_;
    phases_.push_back({std::move(phase), 1, took.count()});
    begin_ = now;
  }
  std::vector<LoadReport::Phase> take() { return std::move(phases_); }

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point begin_ = Clock::now();
  std::vector<LoadReport::Phase> phases_;
};

}  // namespace penstock::runtime
