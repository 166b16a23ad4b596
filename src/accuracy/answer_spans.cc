// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "accuracy/answer_spans.h"

#include "base/utf8.h"

namespace penstock::accuracy {
namespace {

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// As Python's str.split().
bool is_space(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
         c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

// Where the regular expression \b sees a word end: dashes and quotes beyond ASCII.
bool is_word_character(char32_t c) {
  const bool is_symbol = (c >= 0xa1 && c <= 0xbf && c != 0xaa && c != 0xb5 && c != 0xba) ||
                         c == 0xd7 || c == 0xf7 || (c >= 0x2010 && c <= 0x206f) ||
                         (c >= 0x20a0 && c <= 0x20cf) || (c >= 0x2190 && c <= 0x23ff) ||
                         (c >= 0x3001 && c <= 0x3003) || (c >= 0x3008 && c <= 0x3020);
  return !is_symbol && !is_space(c);
}

// Latin, Greek and Cyrillic; other scripts have no case or are not looked for here.
char32_t lower(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 32;
  const bool is_paired = (c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177) ||
                         (c >= 0x1e00 && c <= 0x1e95);
  if (is_paired) return c | 1U;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c + (c & 1U);
  if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) return c + 32;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  return c;
}

bool is_article(std::u32string_view word) {
  return word == U"a" || word == U"an" || word == U"the";
}

std::vector<std::string> words_of(std::string_view text) {
  std::u32string kept;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = lower(next_character(text, at));
    if (!is_ascii_punctuation(c)) kept += c;
  }
  // An article becomes a space: what stood around it with no space between was several words.
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < kept.size();) {
    size_t end = i;
    while (end < kept.size() && is_word_character(kept[end])) ++end;
    if (end == i) {
      if (is_space(kept[i])) {
        end_word();
      } else {
        append_utf8(kept[i], word);
      }
      ++i;
      continue;
    }
    if (is_article(std::u32string_view(kept).substr(i, end - i))) {
      end_word();
    } else {
      for (size_t j = i; j < end; ++j) append_utf8(kept[j], word);
    }
    i = end;
  }
  end_word();
  return words;
}

}  // namespace

std::string normalized_answer(std::string_view text) {
  std::string result;
  for (const std::string& word : words_of(text)) result += (result.empty() ? "" : " ") + word;
  return result;
}

double exact_match(std::string_view answer, std::string_view truth) {
  return normalized_answer(answer) == normalized_answer(truth) ? 1 : 0;
}

double f1(std::string_view answer, std::string_view truth) {
  const std::vector<std::string> given = words_of(answer);
  std::vector<std::string> right = words_of(truth);
  const auto right_count = static_cast<double>(right.size());
  double common = 0;
  for (const std::string& word : given) {
    const auto it = std::find(right.begin(), right.end(), word);
    if (it == right.end()) continue;
    right.erase(it);
    common += 1;
  }
  if (common == 0) return 0;
  const double precision = common / static_cast<double>(given.size());
  const double recall = common / right_count;
  return 2 * precision * recall / (precision + recall);
}

TokenSpan best_span(std::span<const double> starts, std::span<const double> ends,
                    std::span<const int64_t> offsets) {
  const auto count = static_cast<int64_t>(starts.size());
  const auto in_context = [&](int64_t token) {
    return offsets[token * 2] >= 0 && offsets[token * 2 + 1] >= 0;
  };
  TokenSpan best{-1, -1};
  double most = 0;
  for (int64_t begin = 0; begin < count; ++begin) {
    for (int64_t end = begin; end < std::min(count, begin + kMostAnswerTokens); ++end) {
      if (!in_context(begin) || !in_context(end)) break;
      const double sum = starts[begin] + ends[end];
      if (best.begin >= 0 && sum <= most) continue;
      most = sum;
      best = {begin, end};
    }
  }
  return best;
}

std::string_view characters(std::string_view utf8, int64_t begin, int64_t end) {
  size_t first = utf8.size();
  size_t at = 0;
  for (int64_t i = 0; at < utf8.size() && i < end; ++i) {
    if (i == begin) first = at;
    next_character(utf8, at);
  }
  return first < at ? utf8.substr(first, at - first) : std::string_view();
}

}  // namespace penstock::accuracy
