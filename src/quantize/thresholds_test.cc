// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/thresholds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace penstock::quantize {
namespace {

constexpr CalibrationMethod kAll[] = {
    CalibrationMethod::kEntropy, CalibrationMethod::kMinMax, CalibrationMethod::kMovingAverage,
    CalibrationMethod::kPercentile, CalibrationMethod::kMeanSquaredError};

std::vector<float> laplace(size_t count) {
  std::mt19937 random(7);
  std::exponential_distribution<float> distribution(1.0f);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = distribution(random) * (i % 2 == 0 ? 1 : -1);
  return values;
}

// Mean squared difference after rounding to 8 bits with this threshold, element by element.
double error_of(const std::vector<float>& values, double threshold) {
  const double step = threshold / 127;
  double sum = 0;
  for (const float x : values) {
    const double q = std::clamp(std::nearbyint(x / step), -127.0, 127.0) * step;
    sum += (x - q) * (x - q);
  }
  return sum / static_cast<double>(values.size());
}

TEST(Thresholds, OneOutlierDoesNotStretchTheScale) {
  std::vector<float> values = laplace(100000);
  values[5] = 500.0f;
  Observation seen;
  ASSERT_TRUE(seen.add(values));
  EXPECT_EQ(choose_threshold(seen, CalibrationMethod::kMinMax, 0), 500.0);
  EXPECT_LT(choose_threshold(seen, CalibrationMethod::kEntropy, 0), 60.0);
  EXPECT_LT(choose_threshold(seen, CalibrationMethod::kPercentile, 99.99), 20.0);
}

TEST(Thresholds, PercentileLeavesThatManyOutside) {
  const std::vector<float> values = laplace(200000);
  Observation seen;
  ASSERT_TRUE(seen.add(values));
  for (const double percentile : {50.0, 90.0, 99.0, 99.9}) {
    const double threshold = choose_threshold(seen, CalibrationMethod::kPercentile, percentile);
    EXPECT_NEAR(threshold, -std::log(1 - percentile / 100), 0.2) << percentile;
  }
  EXPECT_EQ(choose_threshold(seen, CalibrationMethod::kPercentile, 100), seen.largest_magnitude());
}

TEST(Thresholds, SquaredErrorIsLeastAmongAll) {
  const std::vector<float> values = laplace(50000);
  Observation seen;
  ASSERT_TRUE(seen.add(values));
  const double least =
      error_of(values, choose_threshold(seen, CalibrationMethod::kMeanSquaredError, 0));
  for (const CalibrationMethod method : kAll) {
    EXPECT_LE(least, 1.02 * error_of(values, choose_threshold(seen, method, 99.9)))
        << to_string(method);
  }
}

TEST(Thresholds, AConstantIsKept) {
  Observation seen;
  ASSERT_TRUE(seen.add(std::vector<float>(1000, 0.75f)));
  for (const CalibrationMethod method : kAll) {
    EXPECT_NEAR(choose_threshold(seen, method, 99.99), 0.75, 1e-6) << to_string(method);
  }
}

TEST(Thresholds, ZerosHaveNone) {
  Observation seen;
  ASSERT_TRUE(seen.add(std::vector<float>(10, 0.0f)));
  for (const CalibrationMethod method : kAll) {
    EXPECT_EQ(choose_threshold(seen, method, 99.99), 0) << to_string(method);
  }
}

TEST(Thresholds, AreWithinWhatWasSeen) {
  for (const float scale : {1e-30f, 1e-3f, 1.0f, 1e30f}) {
    std::vector<float> values = laplace(1000);
    for (float& value : values) value *= scale;
    Observation seen;
    ASSERT_TRUE(seen.add(values));
    for (const CalibrationMethod method : kAll) {
      const double threshold = choose_threshold(seen, method, 99.99);
      EXPECT_GT(threshold, 0) << to_string(method);
      EXPECT_LE(threshold, seen.largest_magnitude()) << to_string(method);
    }
  }
}

}  // namespace
}  // namespace penstock::quantize
