// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/memory_planner.h"

#include <gtest/gtest.h>

#include <random>

namespace penstock::plan {
namespace {

bool overlap(size_t a, size_t a_bytes, size_t b, size_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

TEST(MemoryPlanner, ReusesMemoryOfDeadBlocks) {
  const MemoryPlan plan = plan_memory({{1000, 0, 1, -1}, {1000, 1, 2, -1}, {1000, 2, 3, -1}});
  EXPECT_EQ(plan.offsets[0], plan.offsets[2]);
  EXPECT_EQ(plan.peak_bytes, 2048U);
  EXPECT_EQ(plan.total_bytes, 3072U);
}

TEST(MemoryPlanner, InPlaceChainIsOneAllocation) {
  const MemoryPlan plan = plan_memory({{64, 0, 1, -1}, {64, 1, 2, 0}, {64, 2, 3, 1}});
  EXPECT_EQ(plan.offsets[1], plan.offsets[0]);
  EXPECT_EQ(plan.offsets[2], plan.offsets[0]);
  EXPECT_EQ(plan.peak_bytes, 64U);
}

TEST(MemoryPlanner, EmptyAndZeroBytes) {
  EXPECT_EQ(plan_memory({}).peak_bytes, 0U);
  EXPECT_EQ(plan_memory({{0, 0, 0, -1}}).peak_bytes, 0U);
}

TEST(MemoryPlanner, BlocksAliveTogetherNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Block> blocks;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 50);
      blocks.push_back({random() % 5000 + 1, first, first + static_cast<int>(random() % 10), -1});
    }
    const MemoryPlan plan = plan_memory(blocks);
    for (size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(plan.offsets[i] % 64, 0U);
      EXPECT_LE(plan.offsets[i] + blocks[i].bytes, plan.peak_bytes);
      for (size_t j = 0; j < i; ++j) {
        if (blocks[i].first > blocks[j].last || blocks[j].first > blocks[i].last) continue;
        EXPECT_FALSE(overlap(plan.offsets[i], blocks[i].bytes, plan.offsets[j], blocks[j].bytes));
      }
    }
  }
}

}  // namespace
}  // namespace penstock::plan
