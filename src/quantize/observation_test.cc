// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/observation.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <random>

namespace penstock::quantize {
namespace {

std::vector<float> normal(size_t count, float deviation, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

int64_t sum(std::span<const int64_t> bins) {
  return std::accumulate(bins.begin(), bins.end(), int64_t{0});
}

TEST(Observation, CountsMagnitudesAndZeros) {
  Observation seen;
  ASSERT_TRUE(seen.add(std::vector<float>{0.0f, -0.0f, 1.0f, -1.5f, 0.25f}));
  EXPECT_EQ(seen.count(), 5);
  EXPECT_EQ(seen.zeros(), 2);
  EXPECT_EQ(seen.min(), -1.5f);
  EXPECT_EQ(seen.max(), 1.0f);
  EXPECT_EQ(seen.limit(), 2.0);
  EXPECT_EQ(sum(seen.bins()), 3);
  EXPECT_EQ(seen.bins()[1.0 / seen.bin_width()], 1);
  EXPECT_EQ(seen.bins()[0.25 / seen.bin_width()], 1);
  EXPECT_EQ(seen.bins().back(), 1);
}

TEST(Observation, LaterBatchesWithLargerElementsJoinBins) {
  Observation apart;
  Observation together;
  std::vector<float> all;
  for (uint32_t i = 0; i < 6; ++i) {
    const std::vector<float> batch = normal(3001, static_cast<float>(1 << (2 * i)), i);
    ASSERT_TRUE(apart.add(batch));
    all.insert(all.end(), batch.begin(), batch.end());
  }
  ASSERT_TRUE(together.add(all));
  EXPECT_EQ(apart.limit(), together.limit());
  EXPECT_TRUE(std::equal(apart.bins().begin(), apart.bins().end(), together.bins().begin(),
                         together.bins().end()));
  EXPECT_EQ(sum(apart.bins()) + apart.zeros(), apart.count());
}

TEST(Observation, AtLeastHalfOfTheBinsAreInUse) {
  for (const float largest : {1e-30f, 0.9999f, 1.0f, 1.0001f, 3e38f}) {
    Observation seen;
    ASSERT_TRUE(seen.add(std::vector<float>{largest, -largest / 2}));
    EXPECT_GE(seen.bins().size(), Observation::kBins / 2) << largest;
    EXPECT_LE(seen.bins().size(), Observation::kBins) << largest;
    EXPECT_EQ(seen.bins().back(), 1) << largest;
  }
}

TEST(Observation, RefusesWhatIsNoNumber) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    Observation seen;
    std::vector<float> values = normal(1000, 1, 0);
    values[777] = bad;
    EXPECT_FALSE(seen.add(values));
    EXPECT_TRUE(seen.is_empty());
    EXPECT_EQ(first_not_finite(values), 777);
  }
}

TEST(Observation, NothingButZerosHasNoBins) {
  Observation seen;
  ASSERT_TRUE(seen.add(std::vector<float>(100, 0.0f)));
  ASSERT_TRUE(seen.add({}));
  EXPECT_EQ(seen.zeros(), 100);
  EXPECT_TRUE(seen.bins().empty());
  EXPECT_EQ(seen.largest_magnitude(), 0);
}

TEST(Observation, AveragesTheBatchesMagnitudes) {
  Observation seen;
  ASSERT_TRUE(seen.add(std::vector<float>{2, -3}));
  ASSERT_TRUE(seen.add(std::vector<float>{103}));
  EXPECT_NEAR(seen.average_magnitude(), 0.99 * 3 + 0.01 * 103, 1e-9);
}

}  // namespace
}  // namespace penstock::quantize
