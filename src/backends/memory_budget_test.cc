// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/memory_budget.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace penstock::backends {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

TEST(MemoryBudget, ReadsSizes) {
  EXPECT_EQ(parse_size("1048576"), kMebibyte);
  EXPECT_EQ(parse_size("1MiB"), kMebibyte);
  EXPECT_EQ(parse_size("512M"), 512 * kMebibyte);
  EXPECT_EQ(parse_size("1.5 GiB"), 1536 * kMebibyte);
  EXPECT_EQ(parse_size("2gb"), 2048 * kMebibyte);
  EXPECT_EQ(parse_size("100B"), 100U);
  for (const char* text : {"", "GiB", "-1", "4XiB", "4GiBx", "nan", "1e300", "99999999T"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(MemoryBudget, AnErrorSaysWhatWasAskedHeldAndAllowed) {
  MemoryBudget budget;
  budget.set_limit(100 * kMebibyte);
  ASSERT_TRUE(budget.take(60 * kMebibyte, MemoryUse::kWeights, "cuda:0").is_ok());
  ASSERT_TRUE(budget.take(10 * kMebibyte, MemoryUse::kScratch, "cuda:0").is_ok());
  const Status status = budget.take(31 * kMebibyte, MemoryUse::kBuffers, "cuda:0");
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("31 MiB more of buffers of the application"),
                    HasSubstr("holds 70 MiB of cuda:0 (weights 60 MiB, scratch memory 10 MiB)"),
                    HasSubstr("of the 100 MiB that the memory limit allows")));
  EXPECT_TRUE(budget.take(30 * kMebibyte, MemoryUse::kBuffers, "cuda:0").is_ok());
  EXPECT_FALSE(budget.take(1, MemoryUse::kBuffers, "cuda:0").is_ok());
  budget.give_back(30 * kMebibyte, MemoryUse::kBuffers);
  EXPECT_EQ(budget.figures().held, 70 * kMebibyte);
  EXPECT_EQ(budget.figures().peak, 100 * kMebibyte);
  budget.reset_peak();
  EXPECT_EQ(budget.figures().peak, 70 * kMebibyte);
}

TEST(MemoryBudget, ALimitBelowWhatIsHeldRefusesAllMore) {
  MemoryBudget budget;
  ASSERT_TRUE(budget.take(100, MemoryUse::kScratch, "cpu").is_ok());
  budget.set_limit(50);
  EXPECT_FALSE(budget.take(1, MemoryUse::kScratch, "cpu").is_ok());
  budget.give_back(100, MemoryUse::kScratch);
  EXPECT_TRUE(budget.take(50, MemoryUse::kScratch, "cpu").is_ok());
  EXPECT_FALSE(budget.take(UINT64_MAX - 10, MemoryUse::kScratch, "cpu").is_ok());
}

TEST(MemoryBudget, TheEnvironmentLimitsWhatNobodySet) {
  const auto limit = [](const char* text, const char* device) {
    ::setenv("PENSTOCK_MEMORY_LIMIT", text, 1);
    const Result<uint64_t> bytes = environment_memory_limit(device);
    ::unsetenv("PENSTOCK_MEMORY_LIMIT");
    return bytes;
  };
  EXPECT_EQ(*limit("1MiB", "cuda:1"), kMebibyte);
  EXPECT_EQ(*limit("cuda:1=2MiB,cpu=1MiB", "cuda:1"), 2 * kMebibyte);
  EXPECT_EQ(*limit("cuda:1=2MiB,cpu=1MiB", "cuda:0"), 0U);
  EXPECT_THAT(limit("lots", "cpu").status().message(),
              AllOf(HasSubstr("PENSTOCK_MEMORY_LIMIT"), HasSubstr("'lots'")));
  MemoryBudget budget;
  budget.set_default_limit(10);
  EXPECT_EQ(budget.figures().limit, 10U);
  budget.set_limit(0);
  budget.set_default_limit(10);
  EXPECT_EQ(budget.figures().limit, 0U);
}

}  // namespace
}  // namespace penstock::backends
