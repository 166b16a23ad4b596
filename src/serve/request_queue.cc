// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/request_queue.h"

#include <algorithm>

namespace penstock::serve {
namespace {

// Requests that are looked at for one batch: those of other shapes in between are left standing.
constexpr size_t kMostLookedAt = 512;

// They can be one batch: all shapes agree behind the first axis.
bool go_together(const InferenceRequest& a, const InferenceRequest& b) {
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    const Shape& left = a.inputs[i].shape;
    const Shape& right = b.inputs[i].shape;
    if (!std::equal(left.begin() + 1, left.end(), right.begin() + 1, right.end())) return false;
  }
  return true;
}

Clock::time_point after(Clock::time_point begin, uint64_t microseconds) {
  const auto most = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::time_point::max() - begin)
          .count());
  if (microseconds >= most) return Clock::time_point::max();
  return begin + std::chrono::microseconds(microseconds);
}

}  // namespace

RequestQueue::RequestQueue(const inference::ModelConfig& config) {
  const auto& batching = config.dynamic_batching();
  is_batching_ = config.has_dynamic_batching() && config.max_batch_size() > 1;
  max_items_ = std::max(1, config.max_batch_size());
  keeps_order_ = batching.preserve_ordering();
  preferred_.assign(batching.preferred_batch_size().begin(), batching.preferred_batch_size().end());
  delay_ = std::chrono::microseconds(
      std::min<uint64_t>(batching.max_queue_delay_microseconds(), uint64_t{3600} * 1000 * 1000));
  default_level_ = batching.default_priority_level();
  const auto policy_of = [](const inference::ModelQueuePolicy& policy) {
    return Policy{policy.timeout_action() == inference::ModelQueuePolicy::DELAY,
                  policy.default_timeout_microseconds(), policy.allow_timeout_override(),
                  policy.max_queue_size()};
  };
  default_policy_ = policy_of(batching.default_queue_policy());
  least_urgent_ = batching.priority_levels();
  most_urgent_ = least_urgent_ > 0 ? 1 : 0;
  // Levels are made when they are met: a configuration may have any number of them.
  if (most_urgent_ == 0) levels_[0].policy = default_policy_;
  for (const auto& [level, policy] : batching.priority_queue_policy()) {
    levels_[level].policy = policy_of(policy);
  }
}

RequestQueue::Level& RequestQueue::level_of(uint64_t priority) {
  if (most_urgent_ == 0) return levels_[0];
  const bool is_known = priority >= 1 && priority <= least_urgent_;
  const auto [found, is_new] = levels_.try_emplace(is_known ? priority : default_level_);
  if (is_new) found->second.policy = default_policy_;
  return found->second;
}

Error RequestQueue::push(QueuedRequest request, Clock::time_point now) {
  Level& level = level_of(request.request->priority);
  const Policy& policy = level.policy;
  if (policy.most > 0 && level.waiting.size() + level.delayed.size() >= policy.most) {
    return {ErrorCode::kUnavailable, "Exceeds maximum queue size", FailureReason::kRejected};
  }
  uint64_t timeout = policy.timeout_us;
  if (const uint64_t own = request.request->timeout_us; policy.allows_override && own > 0) {
    timeout = timeout == 0 ? own : std::min(timeout, own);
  }
  request.enqueued = now;
  request.is_delayed_then = policy.is_delayed_then;
  if (timeout > 0) request.timeout = after(now, timeout);
  next_timeout_ = std::min(next_timeout_, request.timeout);
  level.waiting.push_back(std::move(request));
  ++size_;
  return {};
}

std::vector<RequestQueue::Place> RequestQueue::candidates(bool& is_full) {
  std::vector<Place> places;
  const InferenceRequest* first = nullptr;
  int64_t items = 0;
  size_t looked_at = 0;
  is_full = false;
  for (auto& [number, level] : levels_) {
    for (auto* queue : {&level.waiting, &level.delayed}) {
      for (size_t i = 0; i < queue->size(); ++i) {
        const QueuedRequest& request = (*queue)[i];
        const bool fits = first == nullptr || (is_batching_ && items + request.items <= max_items_);
        if (!fits || (first != nullptr && ++looked_at > kMostLookedAt)) {
          is_full = true;
          return places;
        }
        if (first != nullptr && !go_together(*first, *request.request)) {
          if (!keeps_order_) continue;
          is_full = true;
          return places;
        }
        if (first == nullptr) first = request.request.get();
        items += request.items;
        places.push_back({queue, i, items});
        if (items >= max_items_ || !is_batching_) {
          is_full = true;
          return places;
        }
      }
    }
  }
  return places;
}

std::vector<RequestQueue::Place> RequestQueue::due(Clock::time_point now,
                                                   Clock::time_point& again) {
  again = next_timeout_;
  if (size_ == 0) return {};
  bool is_full = false;
  std::vector<Place> places = candidates(is_full);
  if (is_full) return places;
  // The longest beginning of a preferred size.
  for (size_t count = places.size(); count > 0; --count) {
    if (std::find(preferred_.begin(), preferred_.end(), places[count - 1].items_so_far) !=
        preferred_.end()) {
      places.resize(count);
      return places;
    }
  }
  Clock::time_point oldest = Clock::time_point::max();
  for (const Place& place : places) {
    oldest = std::min(oldest, (*place.queue)[place.index].enqueued);
  }
  if (now >= oldest + delay_) return places;
  again = std::min(again, oldest + delay_);
  return {};
}

std::vector<QueuedRequest> RequestQueue::take_batch(Clock::time_point now,
                                                    Clock::time_point& again) {
  return take(due(now, again));
}

bool RequestQueue::is_due(Clock::time_point now, Clock::time_point& again) {
  return !due(now, again).empty();
}

std::vector<QueuedRequest> RequestQueue::take(const std::vector<Place>& places) {
  std::vector<QueuedRequest> batch;
  batch.reserve(places.size());
  for (const Place& place : places) {
    batch.push_back(std::move((*place.queue)[place.index]));
  }
  // From behind, so that the places in front stay right.
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    place->queue->erase(place->queue->begin() + static_cast<std::ptrdiff_t>(place->index));
  }
  size_ -= batch.size();
  return batch;
}

template <typename Predicate>
std::vector<QueuedRequest> RequestQueue::take_if(Predicate&& predicate) {
  std::vector<QueuedRequest> taken;
  for (auto& [number, level] : levels_) {
    for (auto* queue : {&level.waiting, &level.delayed}) {
      const auto kept = std::stable_partition(
          queue->begin(), queue->end(), [&](const QueuedRequest& r) { return !predicate(r); });
      std::move(kept, queue->end(), std::back_inserter(taken));
      queue->erase(kept, queue->end());
    }
  }
  size_ -= taken.size();
  return taken;
}

std::vector<QueuedRequest> RequestQueue::take_expired(Clock::time_point now) {
  if (now < next_timeout_) return {};
  next_timeout_ = Clock::time_point::max();
  for (auto& [number, level] : levels_) {
    for (auto request = level.waiting.begin(); request != level.waiting.end();) {
      const bool is_delayed = request->timeout <= now && request->is_delayed_then;
      if (!is_delayed) {
        if (request->timeout > now) next_timeout_ = std::min(next_timeout_, request->timeout);
        ++request;
        continue;
      }
      request->timeout = Clock::time_point::max();
      level.delayed.push_back(std::move(*request));
      request = level.waiting.erase(request);
    }
  }
  return take_if([now](const QueuedRequest& request) { return request.timeout <= now; });
}

std::vector<QueuedRequest> RequestQueue::take_cancelled() {
  return take_if([](const QueuedRequest& request) { return request.request->is_cancelled(); });
}

std::vector<QueuedRequest> RequestQueue::take_all() {
  return take_if([](const QueuedRequest&) { return true; });
}

}  // namespace penstock::serve
