// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/histogram.h"

#include <gtest/gtest.h>

#include <memory>

namespace penstock::load {
namespace {

TEST(LoadHistogram, BucketsFollowEachOtherAndHoldTheirMiddle) {
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    EXPECT_EQ(bucket_of(middle_of(bucket)), bucket);
  }
  for (uint64_t value :
       {0ULL, 255ULL, 256ULL, 257ULL, 511ULL, 512ULL, 1000003ULL, 98765432109ULL}) {
    const auto middle = static_cast<double>(middle_of(bucket_of(value)));
    EXPECT_NEAR(middle, static_cast<double>(value), 0.004 * static_cast<double>(value));
  }
  EXPECT_EQ(bucket_of(UINT64_MAX), kBuckets - 1);
}

TEST(LoadHistogram, PercentilesAreNearestRanks) {
  const auto recorder = std::make_unique<Recorder>();
  for (uint64_t i = 1; i <= 100; ++i) recorder->record(i);
  Distribution all;
  all.add(*recorder);
  EXPECT_EQ(all.count(), 100U);
  EXPECT_EQ(all.percentile(50), 50U);
  EXPECT_EQ(all.percentile(99), 99U);
  EXPECT_EQ(all.percentile(99.9), 100U);
  EXPECT_EQ(all.percentile(0), 1U);
  EXPECT_EQ(all.percentile(100), 100U);
  EXPECT_EQ(all.shortest(), 1U);
  EXPECT_DOUBLE_EQ(all.mean(), 50.5);
}

TEST(LoadHistogram, AnIntervalIsWhatCameSince) {
  const auto recorder = std::make_unique<Recorder>();
  recorder->record(1000000);
  Distribution before;
  before.add(*recorder);
  recorder->record(10);
  recorder->record(20);
  Distribution after;
  after.add(*recorder);
  const Distribution between = after.since(before);
  EXPECT_EQ(between.count(), 2U);
  EXPECT_EQ(between.longest(), 20U);
  EXPECT_DOUBLE_EQ(between.mean(), 15);
  EXPECT_EQ(Distribution().percentile(50), 0U);
}

}  // namespace
}  // namespace penstock::load
