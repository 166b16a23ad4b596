// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

std::u32string decoded(std::string_view text) {
  std::u32string characters;
  for (size_t at = 0; at < text.size();) characters += next_character(text, at);
  return characters;
}

TEST(Utf8, ReadsWhatItWrites) {
  const std::u32string text = U"a\u00e9\u20ac\U0001F600";
  std::string utf8;
  for (char32_t c : text) append_utf8(c, utf8);
  EXPECT_EQ(utf8, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(decoded(utf8), text);
}

TEST(Utf8, ReplacesWhatIsNoCharacter) {
  EXPECT_EQ(decoded("\xFF"
                    "a"),
            U"\uFFFDa");                                      // no first byte
  EXPECT_EQ(decoded("\xC3"), U"\uFFFD");                      // ends too early
  EXPECT_EQ(decoded("\xC0\x80"), U"\uFFFD\uFFFD");            // longer than needed
  EXPECT_EQ(decoded("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");  // half of a surrogate pair
  std::string utf8;
  append_utf8(0x110000, utf8);
  EXPECT_EQ(utf8, "\xEF\xBF\xBD");
}

}  // namespace
}  // namespace penstock
