// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/timing_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace penstock::tune {
namespace {

class TimingCacheTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) /
                                ("timing_cache_test" + std::to_string(::getpid()) + ".json");
};

TEST_F(TimingCacheTest, KeepsWhatWasMeasured) {
  Result<TimingCache> cache = TimingCache::load(path_);
  ASSERT_TRUE(cache.is_ok());
  EXPECT_EQ(cache->find("conv"), std::nullopt);
  cache->insert("conv", 12.5);
  ASSERT_TRUE(cache->save().is_ok());
  const Result<TimingCache> again = TimingCache::load(path_);
  ASSERT_TRUE(again.is_ok());
  EXPECT_EQ(again->find("conv"), 12.5);
}

TEST_F(TimingCacheTest, BrokenFilesAreErrorsAndStay) {
  for (const char* text : {"", "{", "[]", "{\"format\": \"other\"}",
                           "{\"format\": \"penstock timing cache\", \"version\": 99}"}) {
    std::ofstream(path_) << text;
    EXPECT_EQ(TimingCache::load(path_).status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(std::filesystem::exists(path_));
  }
}

TEST_F(TimingCacheTest, NoPathKeepsNothing) {
  Result<TimingCache> cache = TimingCache::load("");
  ASSERT_TRUE(cache.is_ok());
  cache->insert("a", 1);
  EXPECT_TRUE(cache->save().is_ok());
}

}  // namespace
}  // namespace penstock::tune
