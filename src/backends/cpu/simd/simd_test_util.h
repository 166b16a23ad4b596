// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

// Every level that this machine runs, the baseline first.
inline std::vector<Isa> testable_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (isa <= detect()) isas.push_back(isa);
  }
  return isas;
}

// Random floats one element off the allocation's alignment, with NaN before and after: a kernel
// that reads outside its row shows it.
class Buffer {
 public:
  explicit Buffer(int64_t n, float low = -3.0f, float high = 3.0f, unsigned seed = 1)
      : data_(n + 1 + kGuard, std::nanf("")) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(low, high);
    for (int64_t i = 0; i < n; ++i) data_[i + 1] = uniform(random);
  }
  float* get() { return data_.data() + 1; }
  float operator[](int64_t i) const { return data_[i + 1]; }
  float& operator[](int64_t i) { return data_[i + 1]; }
  // Whether nothing was written outside the n elements.
  bool intact() const {
    bool nan = std::isnan(data_[0]);
    for (size_t i = data_.size() - kGuard; i < data_.size(); ++i) nan &= std::isnan(data_[i]);
    return nan;
  }

 private:
  static constexpr int kGuard = 33;
  std::vector<float> data_;
};

// Relative to the expected value, or to the smallest normal float where that is larger. Infinite
// where the special values differ.
inline double relative_error(double actual, double expected) {
  if (std::isnan(expected)) return std::isnan(actual) ? 0.0 : INFINITY;
  if (std::isinf(static_cast<float>(expected))) {
    return actual == static_cast<float>(expected) ? 0.0 : INFINITY;
  }
  const double scale = std::max(std::abs(expected), 1.17549435e-38);
  const double error = std::abs(actual - expected) / scale;
  return std::isnan(error) ? INFINITY : error;
}

}  // namespace penstock::simd
