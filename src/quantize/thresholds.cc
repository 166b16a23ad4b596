// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/thresholds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace penstock::quantize {
namespace {

constexpr int kLevels = 128;      // magnitudes of a signed 8-bit integer
constexpr int kCandidates = 512;  // thresholds that are tried

// Kullback-Leibler divergence of the distribution of the first `kept` bins, which takes what is
// beyond into its last, from the same with as many values as there are levels. After S. Migacz,
// "8-bit inference with TensorRT", GPU Technology Conference 2017.
double divergence(std::span<const int64_t> bins, size_t kept, double beyond,
                  std::vector<double>& levels) {
  // A bin that has elements gets the mean of those in its level; an empty one stays empty.
  double quantized_sum = 0;
  levels.assign(kept, 0.0);
  for (int level = 0; level < kLevels; ++level) {
    const size_t begin = kept * level / kLevels;
    const size_t end = kept * (level + 1) / kLevels;
    double sum = 0;
    int filled = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += static_cast<double>(bins[i]);
      filled += bins[i] > 0 ? 1 : 0;
    }
    if (filled == 0) continue;
    quantized_sum += sum;
    for (size_t i = begin; i < end; ++i) {
      if (bins[i] > 0) levels[i] = sum / filled;
    }
  }
  const double sum = quantized_sum + beyond;
  if (quantized_sum == 0) return std::numeric_limits<double>::infinity();
  constexpr double kLeast = 1e-12;  // in place of a level without elements
  double result = 0;
  for (size_t i = 0; i < kept; ++i) {
    double p = static_cast<double>(bins[i]) + (i + 1 == kept ? beyond : 0.0);
    if (p == 0) continue;
    p /= sum;
    const double q = std::max(levels[i] / quantized_sum, kLeast);
    result += p * std::log(p / q);
  }
  return result;
}

// The threshold, as a number of bins, for which `cost` is least; the largest of equals.
template <typename Cost>
size_t cheapest(size_t bin_count, size_t least, Cost&& cost) {
  const size_t step = std::max<size_t>(1, bin_count / kCandidates);
  size_t best = bin_count;
  double lowest = cost(bin_count);
  for (size_t kept = bin_count; kept >= least + step;) {
    kept -= step;
    const double value = cost(kept);
    if (value < lowest) {
      lowest = value;
      best = kept;
    }
  }
  return best;
}

size_t by_entropy(const Observation& seen) {
  const std::span<const int64_t> bins = seen.bins();
  if (bins.size() <= kLevels) return bins.size();
  std::vector<double> beyond(bins.size() + 1, 0.0);
  for (size_t i = bins.size(); i-- > 0;) beyond[i] = beyond[i + 1] + static_cast<double>(bins[i]);
  std::vector<double> levels;
  return cheapest(bins.size(), kLevels,
                  [&](size_t kept) { return divergence(bins, kept, beyond[kept], levels); });
}

// Mean squared difference from what 8 bits with this threshold make of each bin's middle.
size_t by_squared_error(const Observation& seen) {
  const std::span<const int64_t> bins = seen.bins();
  return cheapest(bins.size(), 1, [&](size_t kept) {
    const double step = static_cast<double>(kept) / (kLevels - 1);
    double sum = 0;
    for (size_t i = 0; i < bins.size(); ++i) {
      if (bins[i] == 0) continue;
      const double middle = static_cast<double>(i) + 0.5;
      const double quantized = std::min<double>(std::nearbyint(middle / step), kLevels - 1) * step;
      sum += static_cast<double>(bins[i]) * (middle - quantized) * (middle - quantized);
    }
    return sum;
  });
}

size_t by_percentile(const Observation& seen, double percentile) {
  const std::span<const int64_t> bins = seen.bins();
  const double wanted = percentile / 100 * static_cast<double>(seen.count());
  auto covered = static_cast<double>(seen.zeros());
  for (size_t i = 0; i < bins.size(); ++i) {
    covered += static_cast<double>(bins[i]);
    if (covered >= wanted) return i + 1;
  }
  return bins.size();
}

}  // namespace

double choose_threshold(const Observation& seen, CalibrationMethod method, double percentile) {
  const double largest = seen.largest_magnitude();
  if (largest == 0) return 0;
  size_t kept = 0;
  switch (method) {
    case CalibrationMethod::kMinMax: return largest;
    case CalibrationMethod::kMovingAverage: return std::min(largest, seen.average_magnitude());
    case CalibrationMethod::kEntropy: kept = by_entropy(seen); break;
    case CalibrationMethod::kPercentile: kept = by_percentile(seen, percentile); break;
    case CalibrationMethod::kMeanSquaredError: kept = by_squared_error(seen); break;
  }
  return std::min(largest, static_cast<double>(kept) * seen.bin_width());
}

}  // namespace penstock::quantize
