// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace penstock {

// Reads one character at `at` and moves behind it. A byte that begins no valid sequence is the
// replacement character U+FFFD.
char32_t next_character(std::string_view utf8, size_t& at);
void append_utf8(char32_t character, std::string& to);

}  // namespace penstock
