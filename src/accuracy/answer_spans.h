// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::accuracy {

// How an answer to a question agrees with the right ones: SQuAD 1.1 (Rajpurkar et al., 2016), as
// its evaluate-v1.1.py computes it.

// Lower case, without ASCII punctuation and the words a, an, the, one space between words.
std::string normalized_answer(std::string_view text);
// 1 where both normalize to the same, else 0.
double exact_match(std::string_view answer, std::string_view truth);
// Of the words that both have: harmonic mean of their shares, 0 to 1.
double f1(std::string_view answer, std::string_view truth);

// First and last token, both included.
struct TokenSpan {
  int64_t begin = 0;
  int64_t end = 0;
};
inline constexpr int64_t kMostAnswerTokens = 30;

// The span with the largest sum of its logits, of tokens that are in the context, where offsets,
// two a token, are not negative; the first of equal ones. {-1, -1} without such tokens.
TokenSpan best_span(std::span<const double> starts, std::span<const double> ends,
                    std::span<const int64_t> offsets);

// Characters `begin` to `end` of UTF-8.
std::string_view characters(std::string_view utf8, int64_t begin, int64_t end);

}  // namespace penstock::accuracy
