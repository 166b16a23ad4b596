// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/histogram.h"

#include <algorithm>
#include <cmath>

namespace penstock::load {

void Distribution::add(const Recorder& recorder) {
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t count = recorder.buckets_[i].load(std::memory_order_relaxed);
    buckets_[i] += count;
    count_ += count;
  }
  sum_ += recorder.sum_.load(std::memory_order_relaxed);
  longest_ = std::max(longest_, recorder.longest_.load(std::memory_order_relaxed));
}

Distribution Distribution::since(const Distribution& earlier) const {
  Distribution result;
  for (size_t i = 0; i < kBuckets; ++i) {
    result.buckets_[i] = buckets_[i] - earlier.buckets_[i];
    result.count_ += result.buckets_[i];
    if (result.buckets_[i] > 0) result.longest_ = middle_of(i);
  }
  result.sum_ = sum_ - earlier.sum_;
  if (longest_ > earlier.longest_) result.longest_ = longest_;
  return result;
}

double Distribution::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t Distribution::shortest() const {
  for (size_t i = 0; i < kBuckets; ++i) {
    if (buckets_[i] > 0) return middle_of(i);
  }
  return 0;
}

uint64_t Distribution::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double rank = std::ceil(percent / 100 * static_cast<double>(count_));
  const uint64_t wanted =
      std::clamp<uint64_t>(static_cast<uint64_t>(std::max(rank, 1.0)), 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(middle_of(i), longest_);
  }
  return longest_;
}

}  // namespace penstock::load
