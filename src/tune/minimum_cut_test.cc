// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/minimum_cut.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

namespace penstock::tune {
namespace {

TEST(MinimumCut, EachVertexTakesItsCheaperSide) {
  MinimumCut cut;
  cut.add_vertex(3, 5);
  cut.add_vertex(5, 3);
  cut.add_vertex(MinimumCut::kForbidden, 100);
  EXPECT_EQ(cut.solve(), (std::vector<bool>{false, true, true}));
}

TEST(MinimumCut, ALoneVertexStaysWhereItsNeighboursAre) {
  MinimumCut cut;
  const size_t left = cut.add_vertex(1, 10);
  const size_t middle = cut.add_vertex(5, 3);
  const size_t right = cut.add_vertex(1, 10);
  cut.add_price(left, middle, 1);
  EXPECT_TRUE(cut.solve()[middle]);
  MinimumCut dear;
  for (int i = 0; i < 3; ++i) dear.add_vertex(i == 1 ? 5 : 1, i == 1 ? 3 : 10);
  dear.add_price(left, middle, 2);
  dear.add_price(right, middle, 2);
  EXPECT_FALSE(dear.solve()[middle]);
}

// A chain moves as a whole though no vertex gains by moving alone.
TEST(MinimumCut, AChainMovesTogether) {
  MinimumCut cut;
  for (int i = 0; i < 10; ++i) cut.add_vertex(3, 2);
  for (size_t i = 0; i + 1 < 10; ++i) {
    cut.add_price(i, i + 1, 4);
    cut.add_price(i + 1, i, 4);
  }
  EXPECT_EQ(cut.solve(), std::vector<bool>(10, true));
}

TEST(MinimumCut, MatchesEveryChoiceTried) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    constexpr size_t kVertices = 8;
    MinimumCut cut;
    std::vector<std::pair<int64_t, int64_t>> prices;
    std::vector<std::tuple<size_t, size_t, int64_t>> pairs;
    for (size_t i = 0; i < kVertices; ++i) {
      prices.emplace_back(random() % 20, random() % 20);
      cut.add_vertex(prices[i].first, prices[i].second);
    }
    for (int i = 0; i < 14; ++i) {
      pairs.emplace_back(random() % kVertices, random() % kVertices, random() % 10);
      const auto& [first, second, price] = pairs.back();
      cut.add_price(first, second, price);
    }
    const auto cost = [&](const auto& is_second) {
      int64_t sum = 0;
      for (size_t i = 0; i < kVertices; ++i) {
        sum += is_second(i) ? prices[i].second : prices[i].first;
      }
      for (const auto& [first, second, price] : pairs) {
        if (!is_second(first) && is_second(second)) sum += price;
      }
      return sum;
    };
    int64_t least = MinimumCut::kForbidden;
    for (size_t choice = 0; choice < (size_t{1} << kVertices); ++choice) {
      least = std::min(least, cost([&](size_t i) { return ((choice >> i) & 1) != 0; }));
    }
    const std::vector<bool> solved = cut.solve();
    EXPECT_EQ(cost([&](size_t i) { return solved[i]; }), least);
  }
}

}  // namespace
}  // namespace penstock::tune
