// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace penstock::serve::http {

EventLoop::EventLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (is_open()) ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
}

EventLoop::~EventLoop() {
  stop();
  listeners_.clear();
  posted_.clear();
  if (wake_ >= 0) ::close(wake_);
  if (epoll_ >= 0) ::close(epoll_);
}

void EventLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void EventLoop::stop() {
  if (!thread_.joinable()) return;
  post([this] { is_stopping_ = true; });
  thread_.join();
}

void EventLoop::add(int socket, uint32_t events, std::shared_ptr<Listener> listener) {
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0) {
    listeners_[socket] = std::move(listener);
  }
}

void EventLoop::change(int socket, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event);
}

void EventLoop::remove(int socket) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  listeners_.erase(socket);
}

void EventLoop::post(std::function<void()> function) {
  bool is_first = false;
  {
    std::lock_guard lock(mutex_);
    is_first = posted_.empty();
    posted_.push_back(std::move(function));
  }
  if (!is_first) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
}

void EventLoop::run_posted() {
  uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(wake_, &count, sizeof(count));
  std::vector<std::function<void()>> functions;
  {
    std::lock_guard lock(mutex_);
    functions.swap(posted_);
  }
  for (const auto& function : functions) function();
}

void EventLoop::tick() {
  // A listener may remove itself meanwhile.
  std::vector<std::shared_ptr<Listener>> listeners;
  listeners.reserve(listeners_.size());
  for (const auto& [socket, listener] : listeners_) listeners.push_back(listener);
  for (const auto& listener : listeners) listener->on_tick();
}

void EventLoop::run() {
  constexpr int kTickMilliseconds = 1000;
  constexpr auto kTick = std::chrono::milliseconds(kTickMilliseconds);
  std::array<epoll_event, 64> events;
  auto next_tick = std::chrono::steady_clock::now() + kTick;
  while (!is_stopping_) {
    const int count =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kTickMilliseconds);
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<size_t>(i)].data.fd;
      if (socket == wake_) {
        run_posted();
        continue;
      }
      const auto found = listeners_.find(socket);
      if (found == listeners_.end()) continue;
      const std::shared_ptr<Listener> listener = found->second;
      listener->on_events(events[static_cast<size_t>(i)].events);
    }
    const auto now = std::chrono::steady_clock::now();
    if (now < next_tick) continue;
    next_tick = now + kTick;
    tick();
  }
}

}  // namespace penstock::serve::http
