// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "load/connection.h"
#include "load/histogram.h"

namespace penstock::load {

enum class Loop {
  kClosed,    // `concurrency` requests in flight; the next goes out when one is answered
  kConstant,  // open: `rate` requests a second, evenly
  kPoisson,   // open: the same on average, at random
  kRecorded,  // open: at `times`
};

struct RunSettings {
  Loop loop = Loop::kClosed;
  int concurrency = 1;  // open loop: most requests in flight; others wait, and their waiting counts
  double rate = 0;
  std::shared_ptr<const std::vector<uint64_t>> times;  // nanoseconds from the start
  double duration_s = 10;
  double warmup_s = 1;    // before the measurement: the same load, not counted
  uint64_t requests = 0;  // end after so many counted ones; 0: at the end of the duration
  double timeout_s = 30;  // of one request, and of those in flight at the end
  int threads = 1;
  size_t streams = 1;  // gRPC: calls in flight on one connection
  uint64_t seed = 0;
  double watch_s = 0.25;  // how often `watch` is called
};

struct FailureCount {
  uint64_t count = 0;
  std::string detail;  // of the first
};

// What was measured so far.
struct Snapshot {
  double elapsed_s = 0;   // since the warm-up's end; negative during it
  double measured_s = 0;  // the time in which the counted requests were answered
  // Answers counted. Closed loop: from sending to the answer's last byte. Open loop: from when the
  // request was due, so that waiting behind a slow answer counts (no coordinated omission).
  Distribution latency;
  Distribution service;  // open loop: from sending alone
  std::map<std::string, FailureCount> failures;
  uint64_t in_flight = 0;
  uint64_t waiting = 0;  // open loop: due, and no connection free
  uint64_t most_waiting = 0;
  uint64_t failed() const;
};

using Watch = std::function<void(const Snapshot&)>;

// Sends `requests` in turn until duration or count are reached or `cancelled` answers true, from
// `threads` threads; the caller's calls `watch`. An error where no connection can be made at the
// start. What is still unanswered a timeout after the end counts as failed.
Result<Snapshot> run(const Target& target, const std::vector<Request>& requests,
                     const RunSettings& settings, const std::function<bool()>& cancelled,
                     const Watch& watch);

}  // namespace penstock::load
