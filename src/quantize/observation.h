// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace penstock::quantize {

// What was seen of one value over all batches, in bounded memory: its extremes, and how often each
// magnitude occurred. The same batches in the same order give the same observation.
class Observation {
 public:
  // Bins over [0, limit()), of equal width. The limit is a power of two and doubles as larger
  // elements come, so that bins are only ever joined in pairs: at least half of them are in use.
  static constexpr int kBins = 4096;

  // One batch. False, and nothing is added, where an element is NaN or infinite.
  bool add(std::span<const float> elements);

  bool is_empty() const { return count_ == 0; }
  int64_t count() const { return count_; }  // of elements
  int64_t zeros() const { return zeros_; }  // elements that are exactly 0, which are in no bin
  float min() const { return min_; }
  float max() const { return max_; }
  float largest_magnitude() const { return -min_ > max_ ? -min_ : max_; }
  double bin_width() const { return limit_ / kBins; }
  double limit() const { return limit_; }
  // Bins up to that of the largest magnitude.
  std::span<const int64_t> bins() const;
  // Exponential moving average over the batches' largest magnitudes, the newest weighing 0.01.
  double average_magnitude() const { return average_magnitude_; }

 private:
  void cover(double magnitude);
  void count_magnitudes(std::span<const float> elements);

  std::vector<int64_t> bins_;
  double limit_ = 0;
  double average_magnitude_ = 0;
  int64_t count_ = 0;
  int64_t zeros_ = 0;
  float min_ = 0;
  float max_ = 0;
};

// Index of the first element that is NaN or infinite, or -1.
int64_t first_not_finite(std::span<const float> elements);

}  // namespace penstock::quantize
