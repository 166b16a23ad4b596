// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>

#include <chrono>

#include "load/connection.h"

namespace penstock::load {
namespace {

class OneCall : public Connection::Sink {
 public:
  void finished(Connection&, size_t, const Failure* failure, const std::string& kept) override {
    done = true;
    failed = failure != nullptr;
    if (failed) why = *failure;
    body = kept;
  }
  bool done = false;
  bool failed = false;
  Failure why;
  std::string body;
};

}  // namespace

Result<std::string> call(const Target& target, const Request& request, double timeout_s,
                         size_t most) {
  OneCall sink;
  PENSTOCK_ASSIGN_OR_RETURN(const auto connection, connect(target, {1, most}, sink));
  const auto begin = std::chrono::steady_clock::now();
  bool started = false;
  while (!sink.done) {
    if (connection->is_closed()) {
      return Status(StatusCode::kIoError,
                    fmt::format("no connection to {}: {}; does a server run there?", target.text,
                                connection->problem()));
    }
    if (connection->is_open() && !started) {
      started = true;
      connection->start(request, 0);
      continue;
    }
    const double left_s =
        timeout_s - std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (left_s <= 0) {
      return Status(StatusCode::kIoError,
                    fmt::format("{}: no answer within {:g} s", target.text, timeout_s));
    }
    pollfd entry = {connection->socket(), static_cast<short>(connection->events()), 0};
    (void)::poll(&entry, 1, static_cast<int>(left_s * 1000) + 1);
    // The bits of poll and epoll are the same.
    if (entry.revents != 0) connection->on_events(static_cast<uint32_t>(entry.revents));
  }
  if (sink.failed) {
    const std::string detail = sink.why.detail.empty() ? "" : ": " + sink.why.detail;
    const bool missing = sink.why.reason == "HTTP 404" || sink.why.reason == "gRPC NOT_FOUND";
    return Status(missing ? StatusCode::kNotFound : StatusCode::kIoError,
                  fmt::format("{} answered {}{}", target.text, sink.why.reason, detail));
  }
  return sink.body;
}

}  // namespace penstock::load
