// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/dim.h"

#include <gtest/gtest.h>

namespace penstock::ir {
namespace {

const Dim kBatch = Dim::symbol("batch");
const Dim kSeq = Dim::symbol("seq");

int64_t at(const Dim& dim, int64_t batch, int64_t seq) {
  return dim.evaluate([&](std::string_view name) { return name == "batch" ? batch : seq; });
}

TEST(Dim, PolynomialsHaveOneForm) {
  EXPECT_EQ(kBatch + kSeq, kSeq + kBatch);
  EXPECT_EQ((kBatch + 1) * (kSeq + 2), kBatch * kSeq + 2 * kBatch + kSeq + 2);
  EXPECT_EQ(kBatch - kBatch, Dim(0));
  EXPECT_TRUE((kBatch * 0).is_constant(0));
  EXPECT_EQ(kBatch * kSeq * kBatch, kBatch * kBatch * kSeq);
  EXPECT_FALSE(kBatch == kSeq);
  EXPECT_FALSE(kBatch * kBatch == kBatch);
}

TEST(Dim, ExactDivisionStaysPolynomial) {
  EXPECT_EQ(Dim::floor_div(kBatch * 12 * 64, 64), kBatch * 12);
  EXPECT_EQ(Dim::floor_div(kBatch * kSeq * 768, kBatch * kSeq), Dim(768));
  EXPECT_EQ(Dim::floor_div(kBatch * kSeq + 4 * kBatch, kBatch), kSeq + 4);
  EXPECT_EQ(Dim::floor_div(kSeq, kSeq), Dim(1));
  EXPECT_EQ(Dim::mod(kBatch * 8, 4), Dim(0));
}

TEST(Dim, InexactDivisionRoundsDown) {
  const Dim half = Dim::floor_div(kSeq, 2);
  EXPECT_FALSE(half.is_constant());
  EXPECT_EQ(at(half, 0, 7), 3);
  EXPECT_EQ(at(Dim::floor_div(kSeq * -1, 2), 0, 7), -4);
  EXPECT_EQ(at(Dim::ceil_div(kSeq, 2), 0, 7), 4);
  EXPECT_EQ(at(Dim::mod(kSeq * -1, 4), 0, 7), 1);
  EXPECT_EQ(Dim::floor_div(-7, 2), Dim(-4));
  EXPECT_EQ(Dim::ceil_div(7, 2), Dim(4));
  // Terms that each divide but not by the same factor must not be split.
  EXPECT_EQ(at(Dim::floor_div(kBatch + kSeq, 2), 1, 1), 1);
}

TEST(Dim, BroadcastDecidesWhereItCan) {
  EXPECT_EQ(Dim::broadcast(1, kBatch), kBatch);
  EXPECT_EQ(Dim::broadcast(kBatch, 1), kBatch);
  EXPECT_EQ(Dim::broadcast(kBatch, kBatch), kBatch);
  EXPECT_EQ(Dim::broadcast(kBatch, 64), Dim(64));
  const Dim open = Dim::broadcast(kBatch, kSeq);
  EXPECT_EQ(at(open, 1, 5), 5);
  EXPECT_EQ(at(open, 4, 1), 4);
}

TEST(Dim, MinAndMaxUseThatExtentsAreNonNegative) {
  EXPECT_EQ(Dim::max(kSeq, 0), kSeq);
  EXPECT_EQ(Dim::min(kSeq, kSeq + 3), kSeq);
  EXPECT_EQ(Dim::min(3, 5), Dim(3));
  EXPECT_EQ(at(Dim::min(kBatch, kSeq), 3, 9), 3);
  EXPECT_EQ(at(Dim::max(kBatch, kSeq), 3, 9), 9);
}

TEST(Dim, ProofsOfSign) {
  EXPECT_TRUE(kSeq.is_provably_non_negative());
  EXPECT_FALSE(kSeq.is_provably_positive());
  EXPECT_TRUE((kSeq * kBatch + 1).is_provably_positive());
  EXPECT_FALSE((kSeq - 1).is_provably_non_negative());
  EXPECT_TRUE(Dim::floor_div(kSeq, 2).is_provably_non_negative());
}

TEST(Dim, TextReadsBackAsTheSameExtent) {
  const Dim samples[] = {
      0,
      -3,
      kBatch,
      kBatch * 12 + 1,
      kSeq * -2 + kBatch * kBatch - 5,
      Dim::floor_div(kSeq + 1, 2) * kBatch,
      Dim::mod(kSeq, 3),
      Dim::min(kBatch, kSeq) + Dim::max(kBatch, 4),
      Dim::broadcast(kBatch, kSeq),
  };
  for (const Dim& dim : samples) {
    Result<Dim> parsed = Dim::parse(dim.to_string());
    ASSERT_TRUE(parsed.is_ok()) << dim.to_string();
    EXPECT_EQ(*parsed, dim) << dim.to_string() << " became " << parsed->to_string();
  }
  EXPECT_EQ((kSeq * -2 + kBatch - 5).to_string(), "batch - 2*seq - 5");
}

TEST(Dim, ParseRefusesWhatIsNotAnExtent) {
  for (const char* text : {"", "2*", "(seq", "floordiv(seq)", "floordiv(seq, 0)", "foo(1, 2)",
                           "99999999999999999999", "seq)"}) {
    EXPECT_FALSE(Dim::parse(text).is_ok()) << text;
  }
  EXPECT_FALSE(Dim::parse(std::string(100000, '(')).is_ok());
}

// What a model writes may be as large as it likes: arithmetic wraps, and nothing traps.
TEST(Dim, TheBordersOfInt64) {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Dim::floor_div(kLowest, -1), Dim(kLowest));
  EXPECT_EQ(Dim::mod(kLowest, -1), Dim(0));
  EXPECT_EQ(Dim(kLargest) + Dim(1), Dim(kLowest));
  EXPECT_EQ(Dim(kLowest) * Dim(-1), Dim(kLowest));
  EXPECT_EQ(Dim::min(kLargest, -1), Dim(-1));
  EXPECT_EQ(Dim::max(kLowest, 1), Dim(1));
  EXPECT_EQ(Dim::floor_div(kSeq * kLowest, -1), kSeq * kLowest);
  EXPECT_EQ((kSeq * kLargest + kLargest).evaluate([](std::string_view) { return kLargest; }),
            kLowest);
}

TEST(Dim, SubstitutionSimplifies) {
  const Dim dim = Dim::floor_div(kSeq, 2) + kBatch;
  const Dim replaced =
      dim.substitute([](std::string_view name) { return name == "seq" ? Dim(9) : kBatch; });
  EXPECT_EQ(replaced, kBatch + 4);
  std::vector<std::string> symbols;
  dim.collect_symbols(symbols);
  EXPECT_EQ(symbols.size(), 2u);
}

}  // namespace
}  // namespace penstock::ir
