// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/names.h"

#include <cstdint>

namespace penstock::importer {
namespace {

// Length of the UTF-8 sequence at `at`; 0 where there is none. Table 3-7 of the Unicode standard.
size_t sequence_length(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) -> unsigned {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0;
  };
  const auto is_tail = [&](size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4 || !is_tail(1)) return 0;
  if (first < 0xe0) return 2;
  if (!is_tail(2)) return 0;
  const unsigned second = byte(1);
  if (first < 0xf0) {
    const bool is_overlong = first == 0xe0 && second < 0xa0;
    const bool is_surrogate = first == 0xed && second >= 0xa0;
    return is_overlong || is_surrogate ? 0 : 3;
  }
  const bool is_outside = (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return is_outside || !is_tail(3) ? 0 : 4;
}

}  // namespace

Status check_name(const std::string& name, const char* what) {
  for (size_t at = 0; at < name.size();) {
    const size_t length = sequence_length(name, at);
    if (length == 0) {
      return {StatusCode::kInvalidModel,
              std::string("the name of ") + what + " is not UTF-8: the model is damaged"};
    }
    at += length;
  }
  return Status::ok();
}

}  // namespace penstock::importer
