// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace penstock::serve::http {

enum class Encoding { kIdentity, kGzip, kDeflate };

// A value of Content-Encoding; nothing where it is none of these.
std::optional<Encoding> parse_encoding(std::string_view value);
// What Accept-Encoding prefers of these, as its weights say; identity where it says nothing.
Encoding choose_encoding(std::string_view accept_encoding);
std::string_view name_of(Encoding encoding);

struct Decompressed {
  std::string_view bytes;  // with Request::kPadding behind them
  std::shared_ptr<const void> memory;
};

// `json_length` tells where the binary part begins, which is aligned. Errors: what is no such
// data, and more than `most_bytes` of it, found without making more.
Answer<Decompressed> decompress(std::string_view bytes, Encoding encoding, uint64_t json_length,
                                size_t most_bytes);

// The whole body of a response, in place of its parts.
Error compress(Response& response, Encoding encoding);

}  // namespace penstock::serve::http
