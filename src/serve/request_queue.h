// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Requests that wait for an instance, and which of them go together: Triton's dynamic batcher.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "serve/inference.h"
#include "serve/protos/model_config.pb.h"

namespace penstock::serve {

struct QueuedRequest {
  std::shared_ptr<InferenceRequest> request;
  int64_t items = 1;  // of its batch axis
  Clock::time_point enqueued{};
  Clock::time_point timeout = Clock::time_point::max();
  bool is_delayed_then = false;  // goes behind all others of its level instead of being refused
};

// Not safe for threads: its owner has the lock. Time is an argument, so that tests need not wait.
class RequestQueue {
 public:
  explicit RequestQueue(const inference::ModelConfig& config);

  // Takes it over, or refuses it where the queue is full.
  Error push(QueuedRequest request, Clock::time_point now);

  // What should be executed now, as one batch; empty where nothing should: `again` is then the time
  // to ask again if nothing is pushed before.
  std::vector<QueuedRequest> take_batch(Clock::time_point now, Clock::time_point& again);

  // True where take_batch() would give one.
  bool is_due(Clock::time_point now, Clock::time_point& again);

  // Those whose time in the queue is over, and those whose clients have left.
  std::vector<QueuedRequest> take_expired(Clock::time_point now);
  std::vector<QueuedRequest> take_cancelled();
  std::vector<QueuedRequest> take_all();

  size_t size() const { return size_; }
  // No timeout comes before.
  Clock::time_point next_timeout() const { return next_timeout_; }
  bool waits_for_more() const { return delay_.count() > 0 || !preferred_.empty(); }

 private:
  struct Policy {
    bool is_delayed_then = false;
    uint64_t timeout_us = 0;
    bool allows_override = false;
    size_t most = 0;
  };
  struct Level {
    std::deque<QueuedRequest> waiting;
    std::deque<QueuedRequest> delayed;
    Policy policy;
  };
  // Where a candidate of a batch stands.
  struct Place {
    std::deque<QueuedRequest>* queue;
    size_t index;
    int64_t items_so_far;
  };

  Level& level_of(uint64_t priority);
  std::vector<Place> candidates(bool& is_full);
  std::vector<Place> due(Clock::time_point now, Clock::time_point& again);
  std::vector<QueuedRequest> take(const std::vector<Place>& places);
  template <typename Predicate>
  std::vector<QueuedRequest> take_if(Predicate&& predicate);

  int64_t max_items_ = 1;
  bool is_batching_ = false;
  bool keeps_order_ = false;
  std::vector<int64_t> preferred_;
  std::chrono::microseconds delay_{0};
  uint64_t most_urgent_ = 0;  // 0: there are no levels
  uint64_t least_urgent_ = 0;
  uint64_t default_level_ = 0;
  Policy default_policy_;
  std::map<uint64_t, Level> levels_;  // the most urgent first
  size_t size_ = 0;
  Clock::time_point next_timeout_ = Clock::time_point::max();
};

}  // namespace penstock::serve
