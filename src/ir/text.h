// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace penstock::ir {

// Names of values and attributes stand bare in the graph text unless they hold one of these.
inline bool is_bare_name_character(char c) {
  return static_cast<unsigned char>(c) > ' ' &&
         std::string_view("(){}[]\",=%#").find(c) == std::string_view::npos;
}

// In double quotes, with quotes and backslashes escaped.
std::string quoted_text(std::string_view text);
// The name, quoted where it has to be.
std::string name_text(std::string_view name);

}  // namespace penstock::ir
