// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock::serve {

// Base64 of RFC 4648, with padding.
std::string encode_base64(std::string_view bytes);
// Nothing where `text` is none.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace penstock::serve
