// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <memory>
#include <string_view>

#include "serve/error.h"

namespace penstock::serve::http {

// A JSON text, parsed. Small ones share the memory of a parser that each thread keeps: one document
// at a time on a thread.
class JsonDocument {
 public:
  // 64 bytes behind `json` must be readable; they are not read as JSON.
  Answer<simdjson::dom::element> parse(std::string_view json, size_t most_depth);

 private:
  std::unique_ptr<simdjson::dom::parser> own_;
};

}  // namespace penstock::serve::http
