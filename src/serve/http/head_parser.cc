// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The only file that includes Beast.
#include "serve/http/head_parser.h"

#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <limits>

namespace penstock::serve::http {
namespace {

namespace beast = boost::beast;
using beast::http::field;
using BeastError = beast::error_code;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// A client that sends more chunks than this means harm: each costs far more than its bytes.
constexpr size_t kMostChunks = 65'536;

}  // namespace

class HeadParser::Impl : public beast::http::basic_parser<true> {
 public:
  explicit Impl(const Limits& limits) : limits_(limits) {
    header_limit(static_cast<uint32_t>(limits.header_bytes));
    body_limit(std::numeric_limits<uint64_t>::max());  // checked here, for a better answer
    eager(false);
  }

  Progress put_bytes(std::string_view bytes) {
    Progress progress;
    // Once per part: the head, then each piece of a chunked body.
    while (progress.consumed < bytes.size() && !is_done()) {
      BeastError error;
      const std::string_view rest = bytes.substr(progress.consumed);
      const size_t used = put(boost::asio::const_buffer(rest.data(), rest.size()), error);
      progress.consumed += used;
      if (error == beast::http::error::need_more) break;
      if (error) return failed(error);
      if (is_header_done() && !chunked()) break;
    }
    return progress;
  }

  Head head;
  std::string chunks;

 private:
  Progress failed(const BeastError& error) const {
    Progress progress;
    if (!refusal_.is_ok()) {
      progress.error = refusal_;
      progress.status = refusal_status_;
      return progress;
    }
    const bool is_long = error == beast::http::error::header_limit;
    progress.status = is_long ? 431 : 400;
    progress.error = {ErrorCode::kInvalidArgument,
                      is_long ? "the request line and the fields are longer than " +
                                    std::to_string(limits_.header_bytes) + " bytes"
                              : "malformed HTTP request: " + error.message()};
    return progress;
  }

  void refuse(BeastError& error, int status, std::string text) {
    refusal_ = {ErrorCode::kInvalidArgument, std::move(text)};
    refusal_status_ = status;
    error = beast::http::error::bad_value;
  }

  void refuse_body(BeastError& error) {
    refuse(error, 413,
           "the request's body is larger than the limit of " + std::to_string(limits_.body_bytes) +
               " bytes (--http-max-input-size)");
  }

  void on_request_impl(beast::http::verb method, beast::string_view /*text*/,
                       beast::string_view target, int /*version*/, BeastError& /*error*/) override {
    head.method = method == beast::http::verb::get    ? Method::kGet
                  : method == beast::http::verb::post ? Method::kPost
                                                      : Method::kOther;
    head.target = view(target);
  }

  void on_response_impl(int /*code*/, beast::string_view /*reason*/, int /*version*/,
                        BeastError& /*error*/) override {}

  void on_field_impl(field name, beast::string_view name_text, beast::string_view value,
                     BeastError& error) override {
    switch (name) {
      case field::content_encoding: head.content_encoding = view(value); return;
      case field::accept_encoding: head.accept_encoding = view(value); return;
      case field::expect: head.expects_continue = beast::iequals(value, "100-continue"); return;
      case field::unknown: break;
      default: return;
    }
    if (beast::iequals(name_text, "traceparent")) head.trace_parent = view(value);
    if (beast::iequals(name_text, "Inference-Header-Content-Length")) take_length(value, error);
  }

  void take_length(beast::string_view value, BeastError& error) {
    uint64_t length = 0;
    const auto end = std::from_chars(value.data(), value.data() + value.size(), length);
    const bool is_number = end.ec == std::errc() && end.ptr == value.data() + value.size();
    if (!is_number || head.json_length.has_value()) {
      return refuse(error, 400,
                    "the field Inference-Header-Content-Length must be there once, with the number "
                    "of bytes of the JSON part");
    }
    head.json_length = length;
  }

  void on_header_impl(BeastError& error) override {
    head.keep_alive = keep_alive();
    head.is_chunked = chunked();
    const auto length = content_length();
    if (length && *length > limits_.body_bytes) return refuse_body(error);
    head.content_length = length ? static_cast<size_t>(*length) : 0;
  }

  void on_body_init_impl(const boost::optional<uint64_t>& /*length*/,
                         BeastError& /*error*/) override {}

  size_t on_body_impl(beast::string_view body, BeastError& /*error*/) override {
    return body.size();
  }

  void on_chunk_header_impl(uint64_t size, beast::string_view /*extensions*/,
                            BeastError& error) override {
    if (++chunk_count_ > kMostChunks) {
      return refuse(error, 400,
                    "the body has more than " + std::to_string(kMostChunks) + " chunks");
    }
    if (size > limits_.body_bytes - std::min(limits_.body_bytes, chunks.size())) {
      refuse_body(error);
    }
  }

  size_t on_chunk_body_impl(uint64_t /*remain*/, beast::string_view body,
                            BeastError& error) override {
    if (chunks.size() + body.size() > limits_.body_bytes) {
      refuse_body(error);
      return 0;
    }
    chunks.append(body.data(), body.size());
    return body.size();
  }

  void on_finish_impl(BeastError& /*error*/) override {}

  const Limits& limits_;
  size_t chunk_count_ = 0;
  Error refusal_;
  int refusal_status_ = 400;
};

HeadParser::HeadParser(const Limits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HeadParser::~HeadParser() = default;

HeadParser::Progress HeadParser::put(std::string_view bytes) { return impl_->put_bytes(bytes); }

HeadParser::State HeadParser::state() const {
  if (!impl_->is_header_done()) return State::kHead;
  if (impl_->chunked()) return impl_->is_done() ? State::kDone : State::kChunks;
  return impl_->head.content_length > 0 ? State::kBodyFollows : State::kDone;
}

Head& HeadParser::head() { return impl_->head; }
std::string& HeadParser::chunks() { return impl_->chunks; }

}  // namespace penstock::serve::http
