// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Loads against a small server, whose answers the tests tell.
#include "load/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "load/model.h"

namespace penstock::load {
namespace {

using testing::HasSubstr;

// A thread that answers every request of a few hundred bytes on any number of connections.
class SmallServer {
 public:
  // What to answer to the n-th request, and after how many milliseconds; an empty text closes.
  using Script = std::function<std::pair<std::string, int>(int)>;

  explicit SmallServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 100), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~SmallServer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int requests() const { return requests_; }

 private:
  void serve() {
    std::vector<pollfd> sockets = {{listener_, POLLIN, 0}};
    while (!stop_) {
      if (::poll(sockets.data(), sockets.size(), 10) <= 0) continue;
      if (sockets[0].revents != 0)
        sockets.push_back({::accept(listener_, nullptr, nullptr), POLLIN, 0});
      for (size_t i = 1; i < sockets.size(); ++i) {
        if (sockets[i].revents == 0 || answer(sockets[i].fd)) continue;
        ::close(sockets[i].fd);
        sockets.erase(sockets.begin() + static_cast<ptrdiff_t>(i--));
      }
    }
    for (size_t i = 1; i < sockets.size(); ++i) ::close(sockets[i].fd);
  }

  bool answer(int socket) {
    std::array<char, 4096> request;
    if (::recv(socket, request.data(), request.size(), 0) <= 0) return false;
    const auto [text, milliseconds] = script_(requests_++);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    if (text.empty()) return false;
    return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> requests_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

std::string response(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool never() { return false; }

Result<Snapshot> load(const SmallServer& server, const RunSettings& settings,
                      const std::function<bool()>& cancelled = never) {
  const Result<Target> target = resolve(server.url());
  EXPECT_TRUE(target.is_ok());
  const std::vector<Request> requests = {http_request(*target, "GET", "/x", "", "")};
  return run(*target, requests, settings, cancelled, nullptr);
}

RunSettings settings_for(uint64_t requests) {
  RunSettings settings;
  settings.warmup_s = 0;
  settings.duration_s = 20;
  settings.requests = requests;
  return settings;
}

TEST(LoadRunThreads, ClosedLoopSendsWhatWasAskedFor) {
  SmallServer server([](int) { return std::pair(response(200, "ok"), 0); });
  RunSettings settings = settings_for(101);
  settings.concurrency = 5;
  settings.threads = 2;
  const auto result = load(server, settings);
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_EQ(result->latency.count(), 101U);
  EXPECT_EQ(result->failed(), 0U);
  EXPECT_EQ(server.requests(), 101);
}

TEST(LoadRunThreads, FailuresAreCountedByReason) {
  SmallServer server([](int n) {
    if (n % 4 == 1) return std::pair(response(503, "queue full"), 0);
    if (n % 4 == 2) return std::pair(std::string(), 0);  // closes
    return std::pair(response(200, "ok"), 0);
  });
  const auto result = load(server, settings_for(40));
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_EQ(result->latency.count(), 20U);
  ASSERT_EQ(result->failures.count("HTTP 503"), 1U);
  EXPECT_EQ(result->failures.at("HTTP 503").count, 10U);
  EXPECT_EQ(result->failures.at("HTTP 503").detail, "queue full");
  EXPECT_EQ(result->failures.at("connection closed").count, 10U);
}

TEST(LoadRunThreads, OpenLoopCountsFromWhenARequestWasDue) {
  // One connection, and one answer that takes 300 ms: those due meanwhile waited for it.
  SmallServer server([](int n) { return std::pair(response(200, ""), n == 10 ? 300 : 0); });
  RunSettings settings = settings_for(100);
  settings.loop = Loop::kConstant;
  settings.rate = 200;
  settings.concurrency = 1;
  const auto result = load(server, settings);
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_EQ(result->latency.count(), 100U);
  EXPECT_GE(result->most_waiting, 30U);
  // About sixty were due within those 300 ms; only one took so long once it was sent.
  EXPECT_GE(result->latency.percentile(75), 50000000U);
  EXPECT_LT(result->service.percentile(90), 50000000U);
}

TEST(LoadRunThreads, AnswersThatNeverComeAreFailures) {
  SmallServer server([](int n) {
    return n < 3 ? std::pair(response(200, ""), 0)
                 : std::pair(std::string("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n"), 0);
  });
  RunSettings settings = settings_for(4);
  settings.timeout_s = 0.2;
  const auto result = load(server, settings);
  ASSERT_TRUE(result.is_ok()) << result.status().message();
  EXPECT_EQ(result->latency.count(), 3U);
  EXPECT_EQ(result->failures.at("timeout of 0.2 s").count, 1U);
}

TEST(LoadRunThreads, AnInterruptKeepsWhatWasMeasured) {
  std::atomic<bool> enough{false};
  SmallServer server([&](int n) {
    if (n == 50) enough = true;
    return std::pair(response(200, ""), 0);
  });
  const auto result = load(server, settings_for(0), [&] { return enough.load(); });
  ASSERT_TRUE(result.is_ok());
  EXPECT_GE(result->latency.count(), 50U);
  EXPECT_LT(result->measured_s, 15);
}

TEST(LoadRun, NobodyThere) {
  std::string url;
  {
    SmallServer server([](int) { return std::pair(response(200, ""), 0); });
    url = server.url();
  }
  const auto target = resolve(url);
  const auto result =
      run(*target, {http_request(*target, "GET", "/", "", "")}, settings_for(1), never, nullptr);
  EXPECT_THAT(result.status().message(), HasSubstr("connection refused"));
  const auto description = describe_model(*target, {"m", ""}, 5);
  EXPECT_THAT(description.status().message(), HasSubstr("does a server run there?"));
}

TEST(LoadRun, UnknownModelsAndOtherServers) {
  SmallServer server([](int n) {
    return std::pair(n == 0 ? response(404, R"({"error":"unknown"})") : "nonsense\r\n\r\n", 0);
  });
  const auto target = resolve(server.url());
  const auto missing = describe_model(*target, {"m", ""}, 5);
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("HTTP 404: {\"error\":\"unknown\"}"));
  EXPECT_THAT(describe_model(*target, {"m", ""}, 5).status().message(), HasSubstr("no HTTP/1"));
}

TEST(LoadTarget, UrlsAreTakenApart) {
  EXPECT_EQ(resolve("127.0.0.1")->text, "http://127.0.0.1:8000");
  EXPECT_EQ(resolve("grpc://127.0.0.1/")->text, "grpc://127.0.0.1:8001");
  EXPECT_EQ(resolve("http://[::1]:90")->authority, "[::1]:90");
  for (const char* wrong : {"ftp://x", "https://x", "http://", "http://x:0", "http://x:y",
                            "http://127.0.0.1:80/path", "http://[::1", "http://x:99999"}) {
    EXPECT_EQ(resolve(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace penstock::load
