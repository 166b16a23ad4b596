// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/observation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace penstock::quantize {
namespace {

// The newest batch's weight in the moving average, as ONNX Runtime's calibrators have it.
constexpr double kNewest = 0.01;

struct Extremes {
  float low = 0;
  float high = 0;
  bool finite = true;
};

// By the order of the elements' bits, which compilers turn into vector code, NaN or not.
Extremes extremes_of(std::span<const float> elements) {
  // Negative numbers are ordered the other way round in their bits.
  const auto key = [](float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    return bits ^ ((bits >> 31) & 0x7fffffff);
  };
  const auto value = [](int32_t k) { return std::bit_cast<float>(k ^ ((k >> 31) & 0x7fffffff)); };
  int32_t low = std::numeric_limits<int32_t>::max();
  int32_t high = std::numeric_limits<int32_t>::min();
  for (const float x : elements) {
    const int32_t k = key(x);
    low = k < low ? k : low;
    high = k > high ? k : high;
  }
  Extremes result{value(low), value(high), true};
  result.finite = std::isfinite(result.low) && std::isfinite(result.high);
  return result;
}

}  // namespace

void Observation::cover(double magnitude) {
  if (limit_ == 0) {
    bins_.assign(kBins, 0);
    limit_ = std::exp2(std::floor(std::log2(magnitude)) + 1);
  }
  while (magnitude >= limit_) {
    for (int i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
    limit_ *= 2;
  }
}

bool Observation::add(std::span<const float> elements) {
  if (elements.empty()) return true;
  const Extremes seen = extremes_of(elements);
  if (!seen.finite) return false;
  const float magnitude = std::max(-seen.low, seen.high);
  average_magnitude_ =
      is_empty() ? magnitude : (1 - kNewest) * average_magnitude_ + kNewest * magnitude;
  min_ = is_empty() ? seen.low : std::min(min_, seen.low);
  max_ = is_empty() ? seen.high : std::max(max_, seen.high);
  count_ += static_cast<int64_t>(elements.size());
  if (magnitude == 0) {
    zeros_ += static_cast<int64_t>(elements.size());
    return true;
  }
  cover(magnitude);
  count_magnitudes(elements);
  return true;
}

void Observation::count_magnitudes(std::span<const float> elements) {
  // Exact: the width is a power of two. Subnormals of a wide range all fall into bin 0.
  const auto bins_per_unit = static_cast<float>(kBins / limit_);
  // Neighbours often fall into the same bin, whose counter would be waited for: they take turns.
  std::vector<int64_t> even(kBins);
  std::vector<int64_t> odd(kBins);
  constexpr size_t kBlock = 512;
  static_assert(kBlock % 2 == 0);
  int32_t bin[kBlock];
  int64_t zeros = 0;
  for (size_t begin = 0; begin < elements.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, elements.size() - begin);
    const float* x = elements.data() + begin;
    int32_t zeros_here = 0;
    for (size_t i = 0; i < count; ++i) {
      bin[i] = static_cast<int32_t>(std::fabs(x[i]) * bins_per_unit);
      zeros_here += x[i] == 0 ? 1 : 0;
    }
    zeros += zeros_here;
    for (size_t i = 0; i + 1 < count; i += 2) {
      ++even[bin[i]];
      ++odd[bin[i + 1]];
    }
    if (count % 2 != 0) ++even[bin[count - 1]];
  }
  for (int i = 0; i < kBins; ++i) bins_[i] += even[i] + odd[i];
  bins_[0] -= zeros;
  zeros_ += zeros;
}

std::span<const int64_t> Observation::bins() const {
  if (bins_.empty()) return {};
  const auto last = static_cast<size_t>(largest_magnitude() / bin_width());
  return {bins_.data(), last + 1};
}

int64_t first_not_finite(std::span<const float> elements) {
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!std::isfinite(elements[i])) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace penstock::quantize
