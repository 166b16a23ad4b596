// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace penstock::serve::http {

// A thread that waits for sockets (epoll, level-triggered) and for functions from other threads.
class EventLoop {
 public:
  // Told what epoll tells of its socket, on the loop's thread.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_events(uint32_t events) = 0;
    // About once a second.
    virtual void on_tick() {}
  };

  EventLoop();
  ~EventLoop();  // stops; listeners are let go

  bool is_open() const { return epoll_ >= 0 && wake_ >= 0; }
  void start();
  void stop();
  bool is_on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  // On the loop's thread only, or before it starts.
  void add(int socket, uint32_t events, std::shared_ptr<Listener> listener);
  void change(int socket, uint32_t events);
  void remove(int socket);
  // From any thread: called on the loop's, in order.
  void post(std::function<void()> function);

 private:
  void run();
  void run_posted();
  void tick();

  int epoll_ = -1;
  int wake_ = -1;
  std::unordered_map<int, std::shared_ptr<Listener>> listeners_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace penstock::serve::http
