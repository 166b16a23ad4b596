// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

namespace penstock::load {
namespace {

TEST(LoadArrivals, ConstantOnesInterleave) {
  const auto first = constant_arrivals(1000, 0, 2);
  const auto second = constant_arrivals(1000, 1, 2);
  EXPECT_EQ(first->next(), 0U);
  EXPECT_EQ(second->next(), 1000000U);
  EXPECT_EQ(first->next(), 2000000U);
  EXPECT_EQ(second->next(), 3000000U);
}

TEST(LoadArrivals, PoissonGapsHaveTheMeanAndDeviationOfTheirRate) {
  const auto arrivals = poisson_arrivals(2000, 7, 0, 2);  // a share of 1000 a second
  constexpr int kCount = 20000;
  double sum = 0;
  double squares = 0;
  uint64_t last = 0;
  for (int i = 0; i < kCount; ++i) {
    const uint64_t time = *arrivals->next();
    const double gap = static_cast<double>(time - last) / 1e6;
    sum += gap;
    squares += gap * gap;
    last = time;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1, 0.03);
  EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean), 1, 0.05);
}

class LoadArrivalsFile : public testing::Test {
 protected:
  void write(const std::string& text) { std::ofstream(path_) << text; }
  ~LoadArrivalsFile() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("penstock-arrivals-" + std::to_string(::getpid()) + ".txt");
};

TEST_F(LoadArrivalsFile, TimesAreShared) {
  write("# trace\n0\n0.5\r\n0.5\n1e0\n");
  const auto times = read_arrivals(path_);
  ASSERT_TRUE(times.is_ok()) << times.status().message();
  EXPECT_THAT(*times, testing::ElementsAre(0, 500000000, 500000000, 1000000000));
  const auto share = recorded_arrivals(std::make_shared<std::vector<uint64_t>>(*times), 1, 2);
  EXPECT_EQ(share->next(), 500000000U);
  EXPECT_EQ(share->next(), 1000000000U);
  EXPECT_EQ(share->next(), std::nullopt);
}

TEST_F(LoadArrivalsFile, WhatIsNoTimeIsNamedByItsLine) {
  for (const char* text : {"0\nsoon\n", "0\n-1\n", "0\nnan\n", "1\n0.5\n", "0\n1 2\n"}) {
    write(text);
    const auto times = read_arrivals(path_);
    ASSERT_FALSE(times.is_ok()) << text;
    EXPECT_THAT(times.status().message(), testing::HasSubstr("line 2"));
  }
  write("# nothing\n");
  EXPECT_THAT(read_arrivals(path_).status().message(), testing::HasSubstr("no arrivals"));
  EXPECT_EQ(read_arrivals("/nowhere/x").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace penstock::load
