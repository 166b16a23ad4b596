// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/http_server.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace penstock::serve::http {
namespace {

constexpr int kBacklog = 1024;

// A listening socket, or why there is none.
Result<int> listen_on(const HttpServer::Options& options) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.port);
  if (::getaddrinfo(options.address.c_str(), port.c_str(), &hints, &found) != 0) {
    return Status(StatusCode::kInvalidArgument,
                  "'" + options.address + "' is no address; give one such as 127.0.0.1");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, &::freeaddrinfo);
  const int socket =
      ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (options.reuse_port) ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
  if (socket >= 0 && ::bind(socket, address->ai_addr, address->ai_addrlen) == 0 &&
      ::listen(socket, kBacklog) == 0) {
    return socket;
  }
  const int error = errno;
  if (socket >= 0) ::close(socket);
  return Status(StatusCode::kIoError, fmt::format("cannot listen on {}:{}: {}", options.address,
                                                  options.port, std::strerror(error)));
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  return ntohs(address.ss_family == AF_INET6 ? v6->sin6_port : v4->sin_port);
}

}  // namespace

class HttpServer::Acceptor : public EventLoop::Listener {
 public:
  Acceptor(int socket, std::vector<std::unique_ptr<EventLoop>>& loops,
           std::shared_ptr<Connection::Shared> shared)
      : socket_(socket), loops_(loops), shared_(std::move(shared)) {}
  ~Acceptor() override { ::close(socket_); }

  int socket() const { return socket_; }

  void on_events(uint32_t /*events*/) override {
    while (true) {
      const int client = ::accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return;
      if (shared_->open >= shared_->limits.connections) {
        ::close(client);
        continue;
      }
      const int yes = 1;
      ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
      EventLoop& loop = *loops_[next_++ % loops_.size()];
      auto connection = std::make_shared<Connection>(client, loop, shared_);
      loop.post(
          [client, &loop, connection] { loop.add(client, EPOLLIN | EPOLLRDHUP, connection); });
    }
  }

 private:
  const int socket_;
  std::vector<std::unique_ptr<EventLoop>>& loops_;
  const std::shared_ptr<Connection::Shared> shared_;
  size_t next_ = 0;
};

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options,
                                                      std::unique_ptr<Handler> handler) {
  PENSTOCK_ASSIGN_OR_RETURN(const int socket, listen_on(options));
  std::unique_ptr<HttpServer> server(new HttpServer());
  server->port_ = port_of(socket);
  server->handler_ = std::move(handler);
  server->shared_->limits = options.limits;
  server->shared_->handler = server->handler_.get();
  server->acceptor_ = std::make_shared<Acceptor>(socket, server->loops_, server->shared_);
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    auto loop = std::make_unique<EventLoop>();
    if (!loop->is_open()) return Status(StatusCode::kIoError, "cannot wait for sockets (epoll)");
    server->loops_.push_back(std::move(loop));
  }
  server->loops_[0]->add(socket, EPOLLIN, server->acceptor_);
  for (auto& loop : server->loops_) loop->start();
  return server;
}

HttpServer::~HttpServer() {
  for (auto& loop : loops_) loop->stop();
  acceptor_.reset();
  loops_.clear();
}

void HttpServer::begin_drain() {
  shared_->is_draining = true;
  loops_[0]->post([this] { loops_[0]->remove(acceptor_->socket()); });
}

}  // namespace penstock::serve::http
