// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "accuracy/answer_spans.h"

#include <gtest/gtest.h>

namespace penstock::accuracy {
namespace {

TEST(AnswerSpans, AnswersAreNormalized) {
  EXPECT_EQ(normalized_answer("The  Cat's hat, an\tOld one."), "cats hat old one");
  EXPECT_EQ(normalized_answer("\u00c9t\u00e9 \u2014 the \u041c\u0418\u0420"),
            "\u00e9t\u00e9 \u2014 \u043c\u0438\u0440");
  EXPECT_EQ(normalized_answer("1914\u2013the end"), "1914\u2013 end");
  EXPECT_EQ(normalized_answer("a the an"), "");
  EXPECT_EQ(normalized_answer("another theme"), "another theme");
}

TEST(AnswerSpans, F1CountsWordsAsOftenAsBothHaveThem) {
  EXPECT_DOUBLE_EQ(f1("to be or to be", "to be"), 2 * 0.4 * 1 / 1.4);
  EXPECT_DOUBLE_EQ(f1("Norman castle", "castle, Norman"), 1);
  EXPECT_DOUBLE_EQ(f1("the", "the"), 0);  // as evaluate-v1.1.py: no word in common
  EXPECT_DOUBLE_EQ(exact_match("the", "a"), 1);
  EXPECT_DOUBLE_EQ(exact_match("Norman castle", "castle, Norman"), 0);
}

TEST(AnswerSpans, TheBestSpanStaysInTheContext) {
  const std::vector<double> starts = {9, 1, 2, 0};
  const std::vector<double> ends = {9, 3, 1, 9};
  const std::vector<int64_t> offsets = {-1, -1, 0, 1, 2, 3, -1, -1};
  const TokenSpan best = best_span(starts, ends, offsets);
  EXPECT_EQ(best.begin, 1);  // 1 + 3; 2 + 1 is less, and ends are not before starts
  EXPECT_EQ(best.end, 1);
  EXPECT_EQ(best_span(starts, ends, std::vector<int64_t>(8, -1)).begin, -1);
}

TEST(AnswerSpans, SpansHaveAtMostThirtyTokens) {
  std::vector<double> starts(40, 0);
  std::vector<double> ends(40, 0);
  starts[2] = 5;
  ends[35] = 5;
  ends[31] = 4;
  std::vector<int64_t> offsets(80, 1);
  EXPECT_EQ(best_span(starts, ends, offsets).begin, 2);
  EXPECT_EQ(best_span(starts, ends, offsets).end, 31);
}

TEST(AnswerSpans, CharactersAreNotBytes) {
  EXPECT_EQ(characters("a\u00e9\u4e2db", 1, 3), "\u00e9\u4e2d");
  EXPECT_EQ(characters("abc", 2, 9), "c");
  EXPECT_EQ(characters("abc", 3, 9), "");
}

}  // namespace
}  // namespace penstock::accuracy
