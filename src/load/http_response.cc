// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/http_response.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace penstock::load {
namespace {

constexpr size_t kLargestHead = 64 * 1024;
constexpr size_t kLargestLine = 4096;
constexpr size_t kKeptOfErrors = 1000;

bool equal(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool parse_number(std::string_view text, uint64_t& number, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool HttpResponse::fail(std::string problem) {
  problem_ = std::move(problem);
  return false;
}

void HttpResponse::reset() {
  state_ = State::kHead;
  head_.clear();
  body_.clear();
  remaining_ = 0;
  status_ = 0;
  keeps_connection_ = true;
  has_length_ = false;
  chunked_ = false;
}

bool HttpResponse::read(std::string_view& bytes) {
  while (state_ != State::kDone && !bytes.empty()) {
    switch (state_) {
      case State::kHead:
        if (!read_head(bytes)) return false;
        break;
      case State::kBody:
        take(bytes, remaining_);
        if (remaining_ == 0) state_ = State::kDone;
        break;
      case State::kUntilClose: take(bytes, bytes.size()); break;
      case State::kChunkSize:
        if (!read_chunk_size(bytes)) return false;
        break;
      case State::kChunk:
        take(bytes, remaining_);
        if (remaining_ == 0) state_ = State::kChunkEnd;
        break;
      case State::kChunkEnd:
      case State::kTrailer: {
        std::string line;
        bool complete = false;
        if (!read_line(bytes, line, complete)) return false;
        if (!complete) break;
        if (state_ == State::kTrailer) {
          if (line.empty()) state_ = State::kDone;
        } else {
          if (!line.empty()) return fail("a chunk does not end where its size says");
          state_ = State::kChunkSize;
        }
        break;
      }
      case State::kDone: break;
    }
  }
  return true;
}

bool HttpResponse::end() {
  if (state_ == State::kUntilClose) state_ = State::kDone;
  return state_ == State::kDone;
}

uint64_t HttpResponse::skippable() const {
  const bool keeps = most_kept_ > 0 || status_ != 200;
  // One byte stays, so that the end is met by read().
  return state_ == State::kBody && !keeps && remaining_ > 0 ? remaining_ - 1 : 0;
}

bool HttpResponse::read_head(std::string_view& bytes) {
  std::string_view head;
  if (head_.empty()) {
    const size_t end = bytes.find("\r\n\r\n");
    if (end != std::string_view::npos) {
      head = bytes.substr(0, end + 2);
      bytes.remove_prefix(end + 4);
      return parse_head(head);
    }
  }
  const size_t searched = head_.size() < 3 ? 0 : head_.size() - 3;
  const size_t before = head_.size();
  head_.append(bytes.substr(0, kLargestHead + 4 - std::min(before, kLargestHead)));
  const size_t end = head_.find("\r\n\r\n", searched);
  if (end == std::string::npos) {
    if (head_.size() >= kLargestHead) return fail("headers of more than 64 KiB");
    bytes = {};
    return true;
  }
  bytes.remove_prefix(end + 4 - before);
  const std::string whole = head_.substr(0, end + 2);
  head_.clear();
  return parse_head(whole);
}

// "HTTP/1.1 200 OK\r\nName: value\r\n..."
bool HttpResponse::parse_head(std::string_view head) {
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  uint64_t status = 0;
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line[8] != ' ' ||
      !parse_number(line.substr(9, 3), status, 10) || status < 100) {
    return fail("no HTTP/1 response: '" + std::string(line.substr(0, 40)) + "'");
  }
  status_ = static_cast<int>(status);
  keeps_connection_ = line[7] == '1';
  head.remove_prefix(line_end + 2);
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view field = head.substr(0, end);
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos) return fail("a header without a colon");
    if (!parse_field(field.substr(0, colon), trimmed(field.substr(colon + 1)))) return false;
    head.remove_prefix(end + 2);
  }
  if (status_ < 200) {  // 100 Continue and the like: the response comes after it
    if (status_ == 101) return fail("the server wants to switch protocols");
    reset();
  } else if (status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkSize;
  } else if (has_length_) {
    state_ = remaining_ == 0 ? State::kDone : State::kBody;
  } else {
    keeps_connection_ = false;
    state_ = State::kUntilClose;
  }
  return true;
}

bool HttpResponse::parse_field(std::string_view name, std::string_view value) {
  if (equal(name, "content-length")) {
    uint64_t length = 0;
    if (!parse_number(value, length, 10)) return fail("a Content-Length that is no number");
    if (has_length_ && length != remaining_) return fail("two lengths");
    has_length_ = true;
    remaining_ = length;
  } else if (equal(name, "transfer-encoding")) {
    if (!equal(value, "chunked")) return fail("a Transfer-Encoding other than chunked");
    chunked_ = true;
  } else if (equal(name, "connection")) {
    if (equal(value, "close")) keeps_connection_ = false;
    if (equal(value, "keep-alive")) keeps_connection_ = true;
  }
  return true;
}

bool HttpResponse::read_line(std::string_view& bytes, std::string& line, bool& complete) {
  const size_t end = bytes.find('\n');
  complete = end != std::string_view::npos;
  head_.append(bytes.substr(0, complete ? end : bytes.size()));
  bytes.remove_prefix(complete ? end + 1 : bytes.size());
  if (head_.size() > kLargestLine) return fail("a line of more than 4 KiB in a chunked body");
  if (!complete) return true;
  if (head_.empty() || head_.back() != '\r') return fail("a line that ends without \\r");
  head_.pop_back();
  line = std::move(head_);
  head_.clear();
  return true;
}

bool HttpResponse::read_chunk_size(std::string_view& bytes) {
  std::string line;
  bool complete = false;
  if (!read_line(bytes, line, complete)) return false;
  if (!complete) return true;
  const std::string_view digits = trimmed(std::string_view(line).substr(0, line.find(';')));
  if (!parse_number(digits, remaining_, 16)) return fail("a chunk whose size is no number");
  state_ = remaining_ == 0 ? State::kTrailer : State::kChunk;
  return true;
}

void HttpResponse::take(std::string_view& bytes, uint64_t count) {
  const size_t taken = static_cast<size_t>(std::min<uint64_t>(count, bytes.size()));
  const size_t most = most_kept_ > 0 ? most_kept_ : status_ == 200 ? 0 : kKeptOfErrors;
  if (body_.size() < most) body_.append(bytes.substr(0, std::min(taken, most - body_.size())));
  bytes.remove_prefix(taken);
  if (state_ != State::kUntilClose) remaining_ -= taken;
}

}  // namespace penstock::load
