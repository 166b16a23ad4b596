// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/json_document.h"

#include <fmt/format.h>

namespace penstock::serve::http {
namespace {

// What a thread keeps for good: a document takes a dozen bytes for each of its text.
constexpr size_t kShared = 256 << 10;

std::unique_ptr<simdjson::dom::parser> make_parser(size_t capacity, size_t most_depth) {
  auto parser = std::make_unique<simdjson::dom::parser>();
  if (parser->allocate(capacity, most_depth) != simdjson::SUCCESS) return nullptr;
  return parser;
}

}  // namespace

Answer<simdjson::dom::element> JsonDocument::parse(std::string_view json, size_t most_depth) {
  thread_local std::unique_ptr<simdjson::dom::parser> shared;
  thread_local size_t shared_depth = 0;
  simdjson::dom::parser* parser = nullptr;
  if (json.size() <= kShared) {
    if (shared == nullptr || shared_depth != most_depth) {
      shared = make_parser(kShared, most_depth);
      shared_depth = most_depth;
    }
    parser = shared.get();
  } else {
    own_ = make_parser(json.size(), most_depth);
    parser = own_.get();
  }
  if (parser == nullptr) return Error(ErrorCode::kUnavailable, "no memory for the request's JSON");
  simdjson::dom::element root;
  const simdjson::error_code error = parser->parse(json.data(), json.size(), false).get(root);
  if (error == simdjson::SUCCESS) return root;
  if (error == simdjson::DEPTH_ERROR) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the JSON is nested deeper than {} levels", most_depth));
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("failed to parse the request JSON: {}", simdjson::error_message(error)));
}

}  // namespace penstock::serve::http
