// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/connection.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace penstock::load {

Connection::~Connection() {
  if (socket_ >= 0) ::close(socket_);
}

uint32_t Connection::events() const {
  if (is_connecting()) return EPOLLOUT;
  return wants_to_write_ ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

void Connection::on_events(uint32_t events) {
  if (is_connecting()) {
    if (const int error = connection_error(socket_); error != 0) {
      close({socket_reason(error), ""});
      return;
    }
    if ((events & EPOLLOUT) == 0) return;
    state_ = State::kOpen;
    opened();
    return;
  }
  if ((events & EPOLLOUT) != 0 && is_open()) writable();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && is_open()) readable();
}

void Connection::close(const Failure& failure) {
  if (is_closed()) return;
  state_ = State::kClosed;
  problem_ = failure.reason;
  ::close(socket_);
  socket_ = -1;
  fail_all(failure);
}

size_t Connection::receive(char* buffer, size_t size, int flags) {
  const ssize_t count = ::recv(socket_, buffer, size, flags);
  if (count > 0) return static_cast<size_t>(count);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  const int error = errno;
  if (count == 0) {
    (void)ended();
    close({"connection closed", ""});
  } else {
    close({socket_reason(error), ""});
  }
  return 0;
}

Result<std::unique_ptr<Connection>> connect(const Target& target, const ConnectionOptions& options,
                                            Connection::Sink& sink) {
  PENSTOCK_ASSIGN_OR_RETURN(const int socket, begin_connection(target));
  return target.protocol == Protocol::kHttp ? make_http_connection(socket, options, sink)
                                            : make_grpc_connection(socket, target, options, sink);
}

}  // namespace penstock::load
