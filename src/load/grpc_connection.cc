// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Unary gRPC calls on HTTP/2, which is nghttp2's: a call is a stream with one message each way and
// its status in the trailers (gRPC over HTTP2, "PROTOCOL-HTTP2").
#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "load/connection.h"

namespace penstock::load {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kWriteAtOnce = 256 * 1024;
constexpr uint32_t kWindow = (uint32_t{1} << 31) - 1;  // answers never wait for a window

std::string grpc_code(int code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  const bool known = code >= 0 && code < static_cast<int>(kNames.size());
  return known ? std::string(kNames[static_cast<size_t>(code)]) : std::to_string(code);
}

// "%20" and the like, as grpc-message has them.
std::string decoded(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16).ptr == &text[i + 1] + 2) {
      result.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

struct Stream {
  const Request* request = nullptr;  // null: free
  size_t slot = 0;
  int32_t id = -1;
  size_t sent = 0;
  int http_status = 0;
  int grpc_status = -1;
  std::string message;
  std::string body;
};

class GrpcConnection : public Connection {
 public:
  GrpcConnection(int socket, const Target& target, const ConnectionOptions& options, Sink& sink)
      : Connection(socket, sink),
        target_(target),
        most_kept_(options.most_kept),
        streams_(options.streams) {}
  ~GrpcConnection() override { nghttp2_session_del(session_); }

  void start(const Request& request, size_t slot) override {
    const auto stream = std::find_if(streams_.begin(), streams_.end(),
                                     [](const Stream& it) { return it.request == nullptr; });
    if (stream == streams_.end()) {
      const Failure failure = {"no free stream", ""};
      return sink_.finished(*this, slot, &failure, "");
    }
    *stream = Stream{};
    stream->request = &request;
    stream->slot = slot;
    headers_[2] = field(":path", request.head);
    nghttp2_data_provider body = {};
    body.source.ptr = &*stream;
    body.read_callback = &read_body;
    stream->id = nghttp2_submit_request(session_, nullptr, headers_.data(), headers_.size(), &body,
                                        &*stream);
    if (stream->id < 0) {
      const Failure failure = {"no stream", nghttp2_strerror(stream->id)};
      stream->request = nullptr;
      return sink_.finished(*this, slot, &failure, "");
    }
    if (!inside_) writable();
  }

 protected:
  void opened() override {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &on_close);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const std::array<nghttp2_settings_entry, 3> settings = {
        {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
         {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1024 * 1024}}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                          static_cast<int32_t>(kWindow));
    headers_ = {field(":method", "POST"),
                field(":scheme", "http"),
                field(":path", ""),
                field(":authority", target_.authority),
                field("te", "trailers"),
                field("content-type", "application/grpc"),
                field("user-agent", "penstock-load/" PENSTOCK_VERSION)};
    for (const auto& [name, value] : target_.headers) headers_.push_back(field(name, value));
    writable();
  }

  void writable() override {
    wants_to_write_ = false;
    while (is_open()) {
      if (written_ == out_.size() && !fill()) return;
      if (out_.empty()) return;
      const ssize_t count =
          ::send(socket(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
      if (count >= 0) {
        written_ += static_cast<size_t>(count);
      } else if (errno == EAGAIN) {
        wants_to_write_ = true;
        return;
      } else if (errno != EINTR) {
        return close({socket_reason(errno), ""});
      }
    }
  }

  void readable() override {
    static thread_local std::array<char, kReadBytes> buffer;
    while (is_open()) {
      const size_t count = receive(buffer.data(), buffer.size());
      if (count == 0) return;
      inside_ = true;
      const ssize_t used = nghttp2_session_mem_recv(
          session_, reinterpret_cast<const uint8_t*>(buffer.data()), count);
      inside_ = false;
      if (used < 0) {
        return close({"broken response", nghttp2_strerror(static_cast<int>(used))});
      }
      if (!is_open()) return;
      if (nghttp2_session_want_read(session_) == 0) return close({"connection closed", ""});
      writable();
      if (count < buffer.size()) return;
    }
  }

  void fail_all(const Failure& failure) override {
    for (Stream& stream : streams_) {
      if (stream.request == nullptr) continue;
      stream.request = nullptr;
      sink_.finished(*this, stream.slot, &failure, "");
    }
  }

 private:
  static nghttp2_nv field(std::string_view name, std::string_view value) {
    const auto bytes = [](std::string_view text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }

  // Frames to send next, up to kWriteAtOnce of them; false where the connection broke.
  bool fill() {
    out_.clear();
    written_ = 0;
    while (out_.size() < kWriteAtOnce) {
      const uint8_t* bytes = nullptr;
      inside_ = true;
      const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
      inside_ = false;
      if (count < 0) {
        close({"broken connection", nghttp2_strerror(static_cast<int>(count))});
        return false;
      }
      if (count == 0) break;
      out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(count));
    }
    return true;
  }

  static ssize_t read_body(nghttp2_session*, int32_t, uint8_t* buffer, size_t length,
                           uint32_t* flags, nghttp2_data_source* source, void*) {
    auto& stream = *static_cast<Stream*>(source->ptr);
    if (stream.request == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string& body = stream.request->body;
    const size_t count = std::min(length, body.size() - stream.sent);
    std::memcpy(buffer, body.data() + stream.sent, count);
    stream.sent += count;
    if (stream.sent == body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  static Stream* stream_of(nghttp2_session* session, int32_t id) {
    auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    return stream != nullptr && stream->request != nullptr && stream->id == id ? stream : nullptr;
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    Stream* stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    const auto number = [&](int& result) {
      (void)std::from_chars(text.data(), text.data() + text.size(), result);
    };
    if (key == ":status") number(stream->http_status);
    if (key == "grpc-status") number(stream->grpc_status);
    if (key == "grpc-message") stream->message = decoded(text);
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data,
                     size_t size, void* self) {
    const size_t most = static_cast<GrpcConnection*>(self)->most_kept_;
    Stream* stream = stream_of(session, id);
    if (stream != nullptr && stream->body.size() < most) {
      stream->body.append(reinterpret_cast<const char*>(data),
                          std::min(size, most - stream->body.size()));
    }
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t error, void* context) {
    auto& self = *static_cast<GrpcConnection*>(context);
    Stream* found = stream_of(session, id);
    if (found == nullptr) return 0;
    const Stream stream = std::move(*found);
    found->request = nullptr;
    if (stream.grpc_status == 0) {
      self.sink_.finished(self, stream.slot, nullptr, stream.body);
      return 0;
    }
    Failure failure;
    if (stream.grpc_status > 0) {
      failure = {"gRPC " + grpc_code(stream.grpc_status), stream.message};
    } else if (error != NGHTTP2_NO_ERROR) {
      failure = {fmt::format("stream reset: {}", nghttp2_http2_strerror(error)), ""};
    } else {
      failure = {fmt::format("HTTP {} without a gRPC status", stream.http_status), ""};
    }
    self.sink_.finished(self, stream.slot, &failure, "");
    return 0;
  }

  const Target& target_;
  size_t most_kept_;
  std::vector<Stream> streams_;  // never grows: nghttp2 holds their addresses
  nghttp2_session* session_ = nullptr;
  std::vector<nghttp2_nv> headers_;
  std::string out_;
  size_t written_ = 0;
  bool inside_ = false;  // nghttp2, which calls back: what is submitted there is sent later
};

}  // namespace

std::unique_ptr<Connection> make_grpc_connection(int socket, const Target& target,
                                                 const ConnectionOptions& options,
                                                 Connection::Sink& sink) {
  return std::make_unique<GrpcConnection>(socket, target, options, sink);
}

}  // namespace penstock::load
