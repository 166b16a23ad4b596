// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

#include "serve/buffer_pool.h"

namespace penstock::serve::http {
namespace {

constexpr size_t kFirstBuffer = 16 << 10;
constexpr size_t kAlignment = 64;
constexpr uint32_t kRead = EPOLLIN | EPOLLRDHUP;

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Payload Too Large";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Error";
  }
}

void append_number(size_t value, std::string& text) {
  char digits[24];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), value);
  text.append(digits, end.ptr);
}

}  // namespace

// Outlives its connection where the client leaves before the answer.
class Connection::Answer : public Exchange {
 public:
  Answer(const std::shared_ptr<Connection>& connection, EventLoop& loop, uint64_t number)
      : connection_(connection), loop_(loop), number_(number) {}

  void respond(Response response) override {
    if (loop_.is_on_thread()) {
      if (const auto connection = connection_.lock()) {
        connection->write(number_, std::move(response));
      }
      return;
    }
    auto shared = std::make_shared<Response>(std::move(response));
    loop_.post([weak = connection_, number = number_, shared] {
      if (const auto connection = weak.lock()) connection->write(number, std::move(*shared));
    });
  }

  void watch(std::weak_ptr<InferenceRequest> request) override {
    std::lock_guard lock(mutex_);
    request_ = std::move(request);
  }

  void client_left() {
    std::shared_ptr<InferenceRequest> request;
    {
      std::lock_guard lock(mutex_);
      request = request_.lock();
    }
    if (request != nullptr) request->cancel();
  }

 private:
  std::weak_ptr<Connection> connection_;
  EventLoop& loop_;
  const uint64_t number_;
  std::mutex mutex_;
  std::weak_ptr<InferenceRequest> request_;
};

Connection::Connection(int socket, EventLoop& loop, std::shared_ptr<Shared> shared)
    : socket_(socket), loop_(loop), shared_(std::move(shared)), events_(kRead) {
  ++shared_->open;
  set_deadline(shared_->limits.header_time);
}

Connection::~Connection() {
  ::close(socket_);
  --shared_->open;
}

void Connection::set_deadline(std::chrono::seconds time) { deadline_ = Clock::now() + time; }

void Connection::listen_for(uint32_t events) {
  if (events_ == events) return;
  events_ = events;
  loop_.change(socket_, events);
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (const auto answer = answer_.lock()) answer->client_left();
  loop_.remove(socket_);  // lets go of this object, when its callers do
}

void Connection::on_tick() {
  const bool is_idle = state_ == State::kReading && begin_ == end_ && !parser_ && body_ == nullptr;
  if (is_idle && shared_->is_draining) return close();
  if (state_ == State::kBusy || Clock::now() < deadline_) return;
  if (state_ == State::kReading && !is_idle) {
    return fail({ErrorCode::kInvalidArgument, "the request did not come in time"}, 408);
  }
  close();
}

void Connection::on_events(uint32_t events) {
  const std::shared_ptr<Connection> self = shared_from_this();
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return close();
  switch (state_) {
    case State::kReading: return on_readable();
    case State::kWriting: return flush();
    case State::kBusy:
      // The client left, or sends the next request already, which waits in the socket.
      if ((events & EPOLLRDHUP) != 0) return close();
      return listen_for(EPOLLRDHUP);
    case State::kClosed: return;
  }
}

bool Connection::make_room() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ < buffer_.size()) return true;
  // The parser has taken all that it could: what is left is an unfinished head.
  if (buffer_.size() > shared_->limits.header_bytes) return false;
  buffer_.resize(std::max(kFirstBuffer, buffer_.size() * 2));
  return true;
}

void Connection::on_readable() {
  if (body_ == nullptr && !make_room()) {
    return fail({ErrorCode::kInvalidArgument, "the request line and the fields are too long"}, 431);
  }
  char* to =
      body_ != nullptr ? reinterpret_cast<char*>(body_ + body_filled_) : buffer_.data() + end_;
  const size_t room = body_ != nullptr ? body_size_ - body_filled_ : buffer_.size() - end_;
  const ssize_t count = ::recv(socket_, to, room, 0);
  if (count == 0) return close();
  if (count < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) close();
    return;
  }
  if (body_ != nullptr) {
    body_filled_ += static_cast<size_t>(count);
    set_deadline(shared_->limits.body_time);
  } else {
    if (begin_ == end_ && !parser_) {
      arrival_ = Clock::now();
      deadline_ = arrival_ + shared_->limits.header_time;
    }
    end_ += static_cast<size_t>(count);
  }
  process();
}

// Goes as far as what is there allows.
void Connection::process() {
  while (state_ == State::kReading) {
    const bool goes_on = body_ != nullptr ? take_body() : take_head();
    if (!goes_on) return;
  }
}

bool Connection::take_head() {
  if (begin_ == end_) return false;
  if (!parser_) parser_.emplace(shared_->limits);
  const HeadParser::Progress progress = parser_->put({buffer_.data() + begin_, end_ - begin_});
  begin_ += progress.consumed;
  if (!progress.error.is_ok()) {
    fail(progress.error, progress.status);
    return false;
  }
  switch (parser_->state()) {
    case HeadParser::State::kHead: return false;
    case HeadParser::State::kChunks:
      set_deadline(shared_->limits.body_time);
      client_is_there();
      return begin_ < end_ && progress.consumed > 0;
    case HeadParser::State::kBodyFollows: return begin_body(parser_->head().content_length);
    case HeadParser::State::kDone: break;
  }
  if (!parser_->head().is_chunked) {
    dispatch({}, nullptr);
    return true;
  }
  // To where it has the padding and alignment of other bodies.
  const std::string chunks = std::move(parser_->chunks());
  if (!begin_body(chunks.size())) return false;
  std::memcpy(body_, chunks.data(), chunks.size());
  body_filled_ = body_size_;
  return true;
}

// Memory for a body, so that the tensors behind its JSON part are aligned.
bool Connection::begin_body(size_t length) {
  const size_t json = std::min<uint64_t>(parser_->head().json_length.value_or(0), length);
  const size_t shift = (kAlignment - json % kAlignment) % kAlignment;
  body_memory_ = BufferPool::shared()->take(shift + length + Request::kPadding);
  if (body_memory_ == nullptr) {
    fail({ErrorCode::kUnavailable, "no memory for the request's body"}, 503);
    return false;
  }
  body_ = body_memory_.get() + shift;
  body_size_ = length;
  body_filled_ = 0;
  std::memset(body_ + length, 0, Request::kPadding);
  if (parser_->head().is_chunked) return true;
  const size_t there = std::min(end_ - begin_, length);
  std::memcpy(body_, buffer_.data() + begin_, there);
  begin_ += there;
  body_filled_ = there;
  if (body_filled_ < body_size_) {
    set_deadline(shared_->limits.body_time);
    client_is_there();
  }
  return true;
}

// Who asked whether to send a body waits for an answer.
void Connection::client_is_there() {
  if (!parser_->head().expects_continue) return;
  parser_->head().expects_continue = false;
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (::send(socket_, kContinue.data(), kContinue.size(), MSG_NOSIGNAL) < 0) close();
}

bool Connection::take_body() {
  if (body_filled_ < body_size_) return false;
  const std::string_view body(reinterpret_cast<const char*>(body_), body_size_);
  dispatch(body, std::move(body_memory_));
  return true;
}

void Connection::dispatch(std::string_view body, std::shared_ptr<const void> memory) {
  Request request;
  request.head = std::move(parser_->head());
  request.body = body;
  request.memory = std::move(memory);
  request.arrival = arrival_;
  keep_alive_ = request.head.keep_alive;
  parser_.reset();
  body_memory_.reset();
  body_ = nullptr;
  state_ = State::kBusy;
  auto answer = std::make_shared<Answer>(shared_from_this(), loop_, ++number_);
  answer_ = answer;
  shared_->handler->handle(std::move(request), std::move(answer));
}

void Connection::fail(const Error& error, int status) {
  keep_alive_ = false;
  parser_.reset();
  body_memory_.reset();
  body_ = nullptr;
  state_ = State::kBusy;
  Response response = error_response(error);
  response.status = status;
  write(++number_, std::move(response));
}

void Connection::write(uint64_t number, Response response) {
  if (state_ != State::kBusy || number != number_) return;
  keep_alive_ = keep_alive_ && !shared_->is_draining;
  state_ = State::kWriting;
  response_ = std::move(response);
  size_t length = response_.text.size();
  for (const auto& part : response_.parts) length += part.size();
  head_out_.assign("HTTP/1.1 ");
  append_number(static_cast<size_t>(response_.status), head_out_);
  head_out_ += ' ';
  head_out_ += reason_of(response_.status);
  if (!response_.content_type.empty() && length > 0) {
    head_out_ += "\r\nContent-Type: ";
    head_out_ += response_.content_type;
  }
  head_out_ += "\r\nContent-Length: ";
  append_number(length, head_out_);
  head_out_ += "\r\n";
  head_out_ += response_.fields;
  if (!keep_alive_) head_out_ += "Connection: close\r\n";
  head_out_ += "\r\n";
  out_.clear();
  out_index_ = 0;
  const auto add = [this](const void* data, size_t size) {
    if (size > 0) out_.push_back({const_cast<void*>(data), size});
  };
  // A small body in the same piece: one copy is cheaper than two pieces.
  if (response_.text.size() <= kFirstBuffer) {
    head_out_ += response_.text;
    add(head_out_.data(), head_out_.size());
  } else {
    add(head_out_.data(), head_out_.size());
    add(response_.text.data(), response_.text.size());
  }
  for (const auto& part : response_.parts) add(part.data(), part.size());
  set_deadline(shared_->limits.write_time);
  flush();
}

void Connection::flush() {
  constexpr size_t kMostPieces = 64;
  while (out_index_ < out_.size()) {
    msghdr message{};
    message.msg_iov = out_.data() + out_index_;
    message.msg_iovlen = std::min(kMostPieces, out_.size() - out_index_);
    ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return close();
      return listen_for(EPOLLOUT);
    }
    set_deadline(shared_->limits.write_time);
    while (sent > 0) {
      iovec& piece = out_[out_index_];
      const size_t taken = std::min<size_t>(piece.iov_len, static_cast<size_t>(sent));
      piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
      piece.iov_len -= taken;
      sent -= static_cast<ssize_t>(taken);
      if (piece.iov_len == 0) ++out_index_;
    }
  }
  next_request();
}

void Connection::next_request() {
  response_ = {};
  if (!keep_alive_) {
    // What the client still sends is not read: without this, it could lose the answer.
    ::shutdown(socket_, SHUT_WR);
    return close();
  }
  state_ = State::kReading;
  listen_for(kRead);
  deadline_ = Clock::now() + shared_->limits.idle_time;
  if (begin_ == end_) return;
  // The next request came with this one. Not by recursion: a client may send any number at once.
  arrival_ = Clock::now();
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->process();
  });
}

}  // namespace penstock::serve::http
