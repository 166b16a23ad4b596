// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/http/event_loop.h"
#include "serve/http/head_parser.h"
#include "serve/http/message.h"

namespace penstock::serve::http {

// One client: reads requests, hands them over one after the other, writes the responses. Lives on
// one loop's thread.
class Connection : public EventLoop::Listener, public std::enable_shared_from_this<Connection> {
 public:
  // What all connections of a server share.
  struct Shared {
    Limits limits;
    Handler* handler = nullptr;
    std::atomic<size_t> open{0};
    std::atomic<bool> is_draining{false};  // each connection closes after its response
  };

  Connection(int socket, EventLoop& loop, std::shared_ptr<Shared> shared);
  ~Connection() override;

  void on_events(uint32_t events) override;
  void on_tick() override;

  // For the exchange of request number `number`: on the loop's thread.
  void write(uint64_t number, Response response);

 private:
  enum class State { kReading, kBusy, kWriting, kClosed };
  class Answer;

  void on_readable();
  void process();
  bool take_head();
  bool take_body();
  bool make_room();
  bool begin_body(size_t length);
  void dispatch(std::string_view body, std::shared_ptr<const void> memory);
  void client_is_there();
  void fail(const Error& error, int status);
  void flush();
  void next_request();
  void listen_for(uint32_t events);
  void close();
  void set_deadline(std::chrono::seconds time);

  const int socket_;
  EventLoop& loop_;
  const std::shared_ptr<Shared> shared_;
  State state_ = State::kReading;
  uint32_t events_ = 0;
  uint64_t number_ = 0;
  Clock::time_point deadline_;

  std::vector<char> buffer_;
  size_t begin_ = 0;  // of what was read and not used
  size_t end_ = 0;
  std::optional<HeadParser> parser_;
  Clock::time_point arrival_;

  std::shared_ptr<std::byte> body_memory_;
  std::byte* body_ = nullptr;
  size_t body_size_ = 0;
  size_t body_filled_ = 0;

  bool keep_alive_ = true;
  std::weak_ptr<Answer> answer_;
  std::string head_out_;
  Response response_;
  std::vector<iovec> out_;
  size_t out_index_ = 0;
};

}  // namespace penstock::serve::http
