// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "load/target.h"

namespace penstock::load {

// A request as it goes to the wire, made once and sent many times.
struct Request {
  std::string head;  // HTTP: everything before the body; gRPC: the method's path
  std::string body;  // gRPC: one message, its length before it
};

struct Failure {
  std::string reason;  // short, to count by: "HTTP 503", "gRPC UNAVAILABLE", "connection reset"
  std::string detail;  // the server's words, where there are any
};

// A connection to a server on which requests wait for their answers, told apart by numbers of the
// caller's. Belongs to one thread, whose epoll instance tells it what to do; nothing blocks.
class Connection {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // The answer to request `slot` is there, or null and why it will not come. `kept` is its body,
    // where bodies are kept.
    virtual void finished(Connection& connection, size_t slot, const Failure* failure,
                          const std::string& kept) = 0;
  };

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection();

  int socket() const { return socket_; }
  bool is_connecting() const { return state_ == State::kConnecting; }
  bool is_open() const { return state_ == State::kOpen; }
  bool is_closed() const { return state_ == State::kClosed; }
  // Why it is closed.
  const std::string& problem() const { return problem_; }

  // What epoll should wait for, and what it said.
  uint32_t events() const;
  void on_events(uint32_t events);

  // Only on an open connection. `request` lives until the answer came.
  virtual void start(const Request& request, size_t slot) = 0;
  // Ends it; all requests on it fail.
  void close(const Failure& failure);

 protected:
  Connection(int socket, Sink& sink) : sink_(sink), socket_(socket) {}
  virtual void opened() {}
  virtual void readable() = 0;
  virtual void writable() = 0;
  virtual void fail_all(const Failure& failure) = 0;

  // As ::recv into `buffer`, and closes where there is nothing more: 0 then, and where one must
  // wait.
  size_t receive(char* buffer, size_t size, int flags = 0);

  Sink& sink_;
  bool wants_to_write_ = false;

 private:
  enum class State { kConnecting, kOpen, kClosed };
  // The server closed its end: true where that ends a response in good order.
  virtual bool ended() { return false; }

  int socket_;
  State state_ = State::kConnecting;
  std::string problem_;
};

struct ConnectionOptions {
  size_t streams = 1;    // most requests at once on it; HTTP/1.1 has one
  size_t most_kept = 0;  // bytes of each answer's body to keep
};

// Begins a connection; its sink hears of all requests on it, and `target` lives as long.
Result<std::unique_ptr<Connection>> connect(const Target& target, const ConnectionOptions& options,
                                            Connection::Sink& sink);
// One request by itself: its answer's body, up to `most` bytes; errors say what the server said.
Result<std::string> call(const Target& target, const Request& request, double timeout_s,
                         size_t most = size_t{16} << 20);

// Connections' makers.
std::unique_ptr<Connection> make_http_connection(int socket, const ConnectionOptions& options,
                                                 Connection::Sink& sink);
std::unique_ptr<Connection> make_grpc_connection(int socket, const Target& target,
                                                 const ConnectionOptions& options,
                                                 Connection::Sink& sink);

}  // namespace penstock::load
