// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::load {

// Reads HTTP/1.1 responses, in whatever pieces they come (RFC 9112). Bodies are passed over; their
// beginning is kept of errors, or all of it where asked for.
class HttpResponse {
 public:
  // Up to `most_kept` bytes of every body are kept; where 0, up to 1000 of errors.
  explicit HttpResponse(size_t most_kept = 0) : most_kept_(most_kept) {}

  // Reads from the front of `bytes` what belongs to the response, at most to its end. False where
  // that is no HTTP; then problem() says why.
  bool read(std::string_view& bytes);
  // The connection's end, which ends a response without a length. False where one was cut short.
  bool end();
  // Bytes of the body to come that none of this class's business depends on: a caller may drop up
  // to so many unread, and tell by skip().
  uint64_t skippable() const;
  void skip(uint64_t count) { remaining_ -= count; }

  bool done() const { return state_ == State::kDone; }
  bool begun() const { return state_ != State::kHead || !head_.empty(); }
  int status() const { return status_; }
  bool keeps_connection() const { return keeps_connection_; }
  const std::string& body() const { return body_; }
  const std::string& problem() const { return problem_; }
  // For the next response on the connection.
  void reset();

 private:
  enum class State { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailer, kUntilClose, kDone };

  bool fail(std::string problem);
  bool read_head(std::string_view& bytes);
  bool parse_head(std::string_view head);
  bool parse_field(std::string_view name, std::string_view value);
  bool read_line(std::string_view& bytes, std::string& line, bool& complete);
  bool read_chunk_size(std::string_view& bytes);
  void take(std::string_view& bytes, uint64_t count);

  size_t most_kept_;
  State state_ = State::kHead;
  std::string head_;  // what came of it, where it came in pieces; later a line
  std::string body_;
  std::string problem_;
  uint64_t remaining_ = 0;  // of the body or the chunk
  int status_ = 0;
  bool keeps_connection_ = true;
  bool has_length_ = false;
  bool chunked_ = false;
};

}  // namespace penstock::load
