// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One request at a time on a connection that stays open: no pipelining, which few servers do well.
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "load/connection.h"
#include "load/http_response.h"

namespace penstock::load {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kWorthSkipping = 64 * 1024;

class HttpConnection : public Connection {
 public:
  HttpConnection(int socket, const ConnectionOptions& options, Sink& sink)
      : Connection(socket, sink), response_(options.most_kept) {}

  void start(const Request& request, size_t slot) override {
    request_ = &request;
    slot_ = slot;
    sent_ = 0;
    writable();
  }

 protected:
  // What is left of head and body, in one call and without a copy.
  void writable() override {
    wants_to_write_ = false;
    if (request_ == nullptr) return;
    const size_t head = request_->head.size();
    const size_t all = head + request_->body.size();
    while (sent_ < all) {
      std::array<iovec, 2> parts = {};
      size_t count = 0;
      if (sent_ < head) parts[count++] = part(request_->head, sent_);
      const size_t of_body = sent_ < head ? 0 : sent_ - head;
      if (of_body < request_->body.size()) parts[count++] = part(request_->body, of_body);
      msghdr message = {};
      message.msg_iov = parts.data();
      message.msg_iovlen = count;
      const ssize_t written = ::sendmsg(socket(), &message, MSG_NOSIGNAL);
      if (written >= 0) {
        sent_ += static_cast<size_t>(written);
      } else if (errno == EAGAIN) {
        wants_to_write_ = true;
        return;
      } else if (errno != EINTR) {
        // A server that refuses a request early answers and closes: what it said is there to read.
        const int error = errno;
        readable();
        if (request_ != nullptr) close({socket_reason(error), ""});
        return;
      }
    }
  }

  void readable() override {
    // One for each thread: what is read is used up at once.
    static thread_local std::array<char, kReadBytes> buffer;
    while (is_open()) {
      if (const uint64_t skippable = response_.skippable(); skippable > kWorthSkipping) {
        // TCP drops these bytes without copying them.
        const size_t dropped = receive(nullptr, static_cast<size_t>(skippable), MSG_TRUNC);
        response_.skip(dropped);
        if (dropped == 0) return;
        continue;
      }
      const size_t count = receive(buffer.data(), buffer.size());
      if (count == 0) return;
      std::string_view bytes(buffer.data(), count);
      while (!bytes.empty() && is_open()) {
        if (request_ == nullptr) return close({"an answer that nobody asked for", ""});
        if (!response_.read(bytes)) return close({"broken response", response_.problem()});
        if (response_.done()) finish();
      }
      if (count < buffer.size()) return;  // the next one, if any, wakes epoll again
    }
  }

  bool ended() override {
    if (request_ != nullptr && response_.begun() && response_.end()) finish();
    return true;
  }

  void fail_all(const Failure& failure) override {
    if (request_ == nullptr) return;
    request_ = nullptr;
    response_.reset();
    sink_.finished(*this, slot_, &failure, "");
  }

 private:
  static iovec part(const std::string& text, size_t from) {
    return {const_cast<char*>(text.data()) + from, text.size() - from};
  }

  void finish() {
    const int status = response_.status();
    const bool complete = sent_ == request_->head.size() + request_->body.size();
    const bool keep = response_.keeps_connection() && complete;
    const std::string body = response_.body();
    request_ = nullptr;
    response_.reset();
    // Closed before the sink hears of it, which would send its next request here.
    if (!keep) close({"connection closed", ""});
    if (status == 200) {
      sink_.finished(*this, slot_, nullptr, body);
    } else {
      const Failure failure = {"HTTP " + std::to_string(status), body};
      sink_.finished(*this, slot_, &failure, body);
    }
  }

  HttpResponse response_;
  const Request* request_ = nullptr;
  size_t slot_ = 0;
  size_t sent_ = 0;
};

}  // namespace

std::unique_ptr<Connection> make_http_connection(int socket, const ConnectionOptions& options,
                                                 Connection::Sink& sink) {
  return std::make_unique<HttpConnection>(socket, options, sink);
}

}  // namespace penstock::load
