// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/statistics.h"

#include <chrono>

namespace penstock::serve {
namespace {

constexpr double kNanosecond = 1e-9;

uint64_t milliseconds_since_epoch() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

void set(inference::StatisticDuration& duration, uint64_t count, uint64_t ns) {
  duration.set_count(count);
  duration.set_ns(ns);
}

}  // namespace

void Statistics::add_execution(uint64_t batch_size, const ExecutionTimes& times) {
  std::lock_guard lock(mutex_);
  ++counts_.executions;
  Counts::Batch& batch = counts_.batches[batch_size];
  ++batch.count;
  batch.input_ns += times.input;
  batch.compute_ns += times.compute;
  batch.output_ns += times.output;
  counts_.batch_sizes.add(static_cast<double>(batch_size), kBatchBounds);
}

void Statistics::add_success(uint64_t items, uint64_t total_ns, uint64_t queue_ns,
                             const ExecutionTimes& times) {
  const uint64_t now = milliseconds_since_epoch();
  std::lock_guard lock(mutex_);
  counts_.inferences += items;
  counts_.last_inference_ms = now;
  ++counts_.success;
  counts_.success_ns += total_ns;
  counts_.queue_ns += queue_ns;
  counts_.input_ns += times.input;
  counts_.compute_ns += times.compute;
  counts_.output_ns += times.output;
  counts_.total_seconds.add(static_cast<double>(total_ns) * kNanosecond, kTimeBounds);
  counts_.queue_seconds.add(static_cast<double>(queue_ns) * kNanosecond, kTimeBounds);
  counts_.compute_seconds.add(static_cast<double>(times.compute) * kNanosecond, kTimeBounds);
}

void Statistics::add_failure(uint64_t total_ns, FailureReason reason) {
  std::lock_guard lock(mutex_);
  ++counts_.fail;
  counts_.fail_ns += total_ns;
  ++counts_.failures[static_cast<size_t>(reason)];
}

void Statistics::add_retry() {
  std::lock_guard lock(mutex_);
  ++counts_.retries;
}

void Statistics::add_rebuild() {
  std::lock_guard lock(mutex_);
  ++counts_.rebuilds;
}

Statistics::Counts Statistics::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

void fill_statistics(const Statistics::Counts& counts, inference::ModelStatistics& message) {
  message.set_last_inference(counts.last_inference_ms);
  message.set_inference_count(counts.inferences);
  message.set_execution_count(counts.executions);
  inference::InferStatistics& times = *message.mutable_inference_stats();
  set(*times.mutable_success(), counts.success, counts.success_ns);
  set(*times.mutable_fail(), counts.fail, counts.fail_ns);
  set(*times.mutable_queue(), counts.success, counts.queue_ns);
  set(*times.mutable_compute_input(), counts.success, counts.input_ns);
  set(*times.mutable_compute_infer(), counts.success, counts.compute_ns);
  set(*times.mutable_compute_output(), counts.success, counts.output_ns);
  // There is no response cache; clients read the fields all the same.
  set(*times.mutable_cache_hit(), 0, 0);
  set(*times.mutable_cache_miss(), 0, 0);
  for (const auto& [size, batch] : counts.batches) {
    inference::InferBatchStatistics& statistics = *message.add_batch_stats();
    statistics.set_batch_size(size);
    set(*statistics.mutable_compute_input(), batch.count, batch.input_ns);
    set(*statistics.mutable_compute_infer(), batch.count, batch.compute_ns);
    set(*statistics.mutable_compute_output(), batch.count, batch.output_ns);
  }
}

}  // namespace penstock::serve
