// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/context.h>

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <vector>

#include "backends/backend.h"

namespace penstock::runtime {

// When a context's runs reached their parts: by the device's clock where kernels only enqueue,
// else by the host's.
class RunTimer {
 public:
  enum Mark { kBegin, kCopiedIn, kComputed, kCopiedOut };
  static constexpr size_t kMostRuns = 1024;

  explicit RunTimer(backends::Backend& backend) : backend_(&backend) {}

  // kBegin starts a run; a run that failed before kCopiedOut is not reported.
  void mark(Mark mark, backends::Stream& stream);
  void set_replayed(bool replayed);
  // Of the runs since the last call, once they ended.
  Result<std::vector<RunTimes>> take();

 private:
  struct Run {
    std::array<std::unique_ptr<backends::Event>, 4> events;
    std::array<std::chrono::steady_clock::time_point, 4> times;
    bool on_device = false;
    bool replayed = false;
    bool complete = false;
  };

  static Result<double> elapsed_ms(const Run& run, Mark from, Mark to);

  backends::Backend* backend_;
  std::deque<Run> runs_;
  std::vector<Run> spare_;  // events are made once
};

}  // namespace penstock::runtime
