// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "serve/inference.h"
#include "serve/protos/inference.pb.h"

namespace penstock::serve {

// Of one execution, in nanoseconds.
struct ExecutionTimes {
  uint64_t input = 0;  // inputs gathered
  uint64_t compute = 0;
  uint64_t output = 0;  // outputs handed out
};

// How often values lay below each bound; Prometheus' histogram.
template <size_t N>
struct Histogram {
  std::array<uint64_t, N> counts{};  // the last is of what is above all bounds
  double sum = 0;

  void add(double value, const std::array<double, N - 1>& bounds) {
    size_t i = 0;
    while (i + 1 < N && value > bounds[i]) ++i;
    ++counts[i];
    sum += value;
  }
};

// Seconds.
inline constexpr std::array<double, 17> kTimeBounds = {50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3,
                                                       5e-3,  10e-3,  25e-3,  50e-3,  0.1,  0.25,
                                                       0.5,   1,      2.5,    5,      10};
inline constexpr std::array<double, 10> kBatchBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};

// What has happened to the requests of a version of a model.
class Statistics {
 public:
  struct Counts {
    uint64_t inferences = 0;  // batch items
    uint64_t executions = 0;
    uint64_t last_inference_ms = 0;
    uint64_t success = 0, success_ns = 0;
    uint64_t fail = 0, fail_ns = 0;
    std::array<uint64_t, 4> failures{};  // by FailureReason
    uint64_t queue_ns = 0, input_ns = 0, compute_ns = 0, output_ns = 0;
    uint64_t retries = 0;
    uint64_t rebuilds = 0;
    struct Batch {
      uint64_t count = 0, input_ns = 0, compute_ns = 0, output_ns = 0;
    };
    std::map<uint64_t, Batch> batches;
    Histogram<kTimeBounds.size() + 1> total_seconds, queue_seconds, compute_seconds;
    Histogram<kBatchBounds.size() + 1> batch_sizes;
  };

  void add_execution(uint64_t batch_size, const ExecutionTimes& times);
  void add_success(uint64_t items, uint64_t total_ns, uint64_t queue_ns,
                   const ExecutionTimes& times);
  void add_failure(uint64_t total_ns, FailureReason reason);
  void add_retry();
  void add_rebuild();

  Counts counts() const;

 private:
  mutable std::mutex mutex_;
  Counts counts_;
};

// As Triton's clients read them; name and version are the caller's.
void fill_statistics(const Statistics::Counts& counts, inference::ModelStatistics& message);

}  // namespace penstock::serve
