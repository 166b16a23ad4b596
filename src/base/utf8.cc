// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <algorithm>

namespace penstock {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

bool is_valid(char32_t c, size_t bytes) {
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = c >= 0xD800 && c < 0xE000;
  return c >= kSmallest[bytes] && c <= 0x10FFFF && !is_surrogate;
}

}  // namespace

char32_t next_character(std::string_view utf8, size_t& at) {
  const auto first = static_cast<unsigned char>(utf8[at++]);
  if (first < 0x80) return first;
  const size_t bytes = first >= 0xF8   ? 0
                       : first >= 0xF0 ? 4
                       : first >= 0xE0 ? 3
                       : first >= 0xC0 ? 2
                                       : 0;
  if (bytes == 0 || utf8.size() - at < bytes - 1) return kReplacement;
  char32_t c = first & (0x7FU >> bytes);
  for (size_t i = 0; i + 1 < bytes; ++i) {
    const auto next = static_cast<unsigned char>(utf8[at + i]);
    if ((next & 0xC0U) != 0x80) return kReplacement;
    c = c << 6 | (next & 0x3FU);
  }
  if (!is_valid(c, bytes)) return kReplacement;
  at += bytes - 1;
  return c;
}

void append_utf8(char32_t c, std::string& to) {
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = kReplacement;
  if (c < 0x80) {
    to += static_cast<char>(c);
    return;
  }
  constexpr unsigned kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  to += static_cast<char>(kFirst[more] | c >> (6 * more));
  for (int i = more - 1; i >= 0; --i) to += static_cast<char>(0x80U | (c >> (6 * i) & 0x3FU));
}

}  // namespace penstock
