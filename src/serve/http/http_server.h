// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <memory>
#include <string>
#include <vector>

#include "serve/http/connection.h"
#include "serve/http/event_loop.h"

namespace penstock::serve::http {

// Listens on a port and serves connections on a few threads.
class HttpServer {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    int port = 8000;  // 0: any free one
    int threads = 1;
    bool reuse_port = false;
    Limits limits;
  };

  // Errors: an address that is none, a port that is taken.
  static Result<std::unique_ptr<HttpServer>> start(const Options& options,
                                                   std::unique_ptr<Handler> handler);
  ~HttpServer();  // closes everything

  int port() const { return port_; }
  size_t connections() const { return shared_->open; }
  // No new connections; those that there are close after what they are at.
  void begin_drain();

 private:
  class Acceptor;

  HttpServer() = default;

  int port_ = 0;
  std::unique_ptr<Handler> handler_;
  std::shared_ptr<Connection::Shared> shared_ = std::make_shared<Connection::Shared>();
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::shared_ptr<Acceptor> acceptor_;
};

}  // namespace penstock::serve::http
