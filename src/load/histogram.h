// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

namespace penstock::load {

// Buckets of durations: below 256 ns one a nanosecond, above 128 to an octave, so that a bucket's
// middle is within 0.4 % of what it holds. The last takes all from 2^41 ns (37 minutes) on.
constexpr int kOctaveBits = 7;
constexpr uint64_t kLongest = (uint64_t{1} << 41) - 1;

constexpr size_t bucket_of(uint64_t nanoseconds) {
  if (nanoseconds > kLongest) nanoseconds = kLongest;
  const int octave = std::bit_width(nanoseconds >> (kOctaveBits + 1));
  return (static_cast<size_t>(octave) << kOctaveBits) + static_cast<size_t>(nanoseconds >> octave);
}
// The middle of what a bucket holds.
constexpr uint64_t middle_of(size_t bucket) {
  if (bucket < (size_t{2} << kOctaveBits)) return bucket;
  const size_t octave = (bucket >> kOctaveBits) - 1;
  const uint64_t first = (bucket - (octave << kOctaveBits)) << octave;
  return first + (uint64_t{1} << octave) / 2;
}
constexpr size_t kBuckets = bucket_of(kLongest) + 1;

// Written by one thread, read by any: a recording that others watch without stopping it.
class Recorder {
 public:
  void record(uint64_t nanoseconds) {
    add(buckets_[bucket_of(nanoseconds)], 1);
    add(sum_, nanoseconds);
    if (nanoseconds > longest_.load(std::memory_order_relaxed)) {
      longest_.store(nanoseconds, std::memory_order_relaxed);
    }
  }

 private:
  friend class Distribution;
  // One thread writes, so no locked instruction is needed.
  static void add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> longest_{0};
};

// What recorders held at a moment, or between two.
class Distribution {
 public:
  Distribution() : buckets_(kBuckets) {}
  void add(const Recorder& recorder);
  // What came since `earlier`, a copy of this from before.
  Distribution since(const Distribution& earlier) const;

  uint64_t count() const { return count_; }
  // All in nanoseconds; 0 where nothing was recorded.
  double mean() const;
  uint64_t shortest() const;
  // Exact, but the middle of its bucket between two moments.
  uint64_t longest() const { return longest_; }
  // The smallest duration that `percent` of all do not exceed (nearest rank).
  uint64_t percentile(double percent) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
  uint64_t longest_ = 0;
};

}  // namespace penstock::load
