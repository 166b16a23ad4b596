// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Requests and responses of HTTP/1.1, as the endpoints see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/inference.h"

namespace penstock::serve::http {

enum class Method { kGet, kPost, kOther };

struct Limits {
  size_t header_bytes = 16 << 10;  // request line and fields together
  size_t body_bytes = 64 << 20;    // also after decompression
  size_t json_depth = 100;
  size_t connections = 10'000;
  std::chrono::seconds header_time{10};  // from the first byte of a request to its last field
  std::chrono::seconds body_time{60};    // without any byte of it
  std::chrono::seconds write_time{60};   // without any byte taken
  std::chrono::seconds idle_time{3600};  // between requests
};

// What is known when the fields are there.
struct Head {
  Method method = Method::kOther;
  std::string target;
  bool keep_alive = true;
  bool expects_continue = false;
  bool is_chunked = false;
  size_t content_length = 0;
  std::optional<uint64_t> json_length;  // Inference-Header-Content-Length
  std::string content_encoding;
  std::string accept_encoding;
  std::string trace_parent;
};

struct Request {
  Head head;
  std::string_view body;               // with kPadding readable bytes behind it
  std::shared_ptr<const void> memory;  // of the body
  Clock::time_point arrival;
  static constexpr size_t kPadding = 64;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string fields;                             // more of them, each ended by CR LF
  std::string text;                               // the body's beginning
  std::vector<std::span<const std::byte>> parts;  // and the rest, which `owner` keeps alive
  std::shared_ptr<const void> owner;
};

Response error_response(const Error& error);

// The way back to a client, for one request.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // Once, from any thread.
  virtual void respond(Response response) = 0;
  // Is cancelled when the client leaves before the response.
  virtual void watch(std::weak_ptr<InferenceRequest> request) = 0;
};

// Answers requests, at once or later; called on the threads of the connections.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(Request request, std::shared_ptr<Exchange> exchange) = 0;
};

}  // namespace penstock::serve::http
