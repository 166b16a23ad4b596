// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/http/message.h"
#include "serve/http/router.h"
#include "serve/server.h"

namespace penstock::serve::http {

// The endpoints of the v2 protocol, on a model server.
class Api : public Handler {
 public:
  Api(ModelServer& server, const Limits& limits) : server_(server), limits_(limits) {}

  void handle(Request request, std::shared_ptr<Exchange> exchange) override;

 private:
  void infer(const Route& route, Request request, std::shared_ptr<Exchange> exchange);
  void load(const Route& route, const Request& request, std::shared_ptr<Exchange> exchange);
  void unload(const Route& route, const Request& request, std::shared_ptr<Exchange> exchange);
  Response answer(const Route& route, const Request& request);
  Response index(const Route& route, const Request& request);
  Response trace(const Route& route, const Request& request);
  Response logging(const Request& request);

  ModelServer& server_;
  const Limits limits_;
};

// GET /metrics, and nothing else.
class MetricsApi : public Handler {
 public:
  explicit MetricsApi(ModelServer& server) : server_(server) {}
  void handle(Request request, std::shared_ptr<Exchange> exchange) override;

 private:
  ModelServer& server_;
};

}  // namespace penstock::serve::http
