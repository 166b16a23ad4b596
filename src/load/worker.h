// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "load/arrivals.h"
#include "load/run.h"

namespace penstock::load {

// Nanoseconds of the steady clock.
uint64_t now();

// When the load starts, is counted from, and ends.
struct Schedule {
  uint64_t start = 0;
  uint64_t count_from = 0;
  uint64_t end = 0;
};

// One thread's share of the load: its connections, and an epoll instance that waits for them.
class Worker : public Connection::Sink {
 public:
  // `arrivals` is null for a closed loop; `requests_to_count` is UINT64_MAX where only time ends
  // it.
  Worker(const Target& target, const std::vector<Request>& requests, const RunSettings& settings,
         int slots, uint64_t requests_to_count, std::unique_ptr<Arrivals> arrivals);
  ~Worker() override;

  // Opens all connections: to be called before the schedule is known.
  Status connect_all();
  // Returns when the load has ended and its answers came, or `stop` was set.
  void run(const Schedule& schedule);
  void stop() { stop_ = true; }
  // From any thread.
  void add_to(Snapshot& snapshot, bool is_open_loop) const;
  uint64_t last_answer() const { return last_answer_; }

  void finished(Connection& connection, size_t slot, const Failure* failure,
                const std::string& kept) override;

 private:
  struct Slot {
    size_t line = 0;  // its connection
    bool busy = false;
    uint64_t due = 0;
    uint64_t sent = 0;
  };
  struct Line {
    std::unique_ptr<Connection> connection;
    uint32_t events = 0;
    uint64_t retry_at = 0;  // where there is no connection
  };

  Status open(size_t line);
  void reopen_closed(uint64_t time);
  void watch(size_t line);
  void wait(uint64_t until);
  void send(size_t slot, uint64_t due, uint64_t time);
  void feed(uint64_t time);
  void feed_closed(uint64_t time);
  void feed_open(uint64_t time);
  void check_timeouts(uint64_t time);
  void count_failure(const Failure& failure, uint64_t count = 1);
  bool counts(uint64_t due) const { return due >= schedule_.count_from; }
  bool goes_on(uint64_t time) const;
  bool is_done(uint64_t time) const;

  const Target& target_;
  const std::vector<Request>& requests_;
  const RunSettings& settings_;
  std::unique_ptr<Arrivals> arrivals_;
  uint64_t to_count_;
  int epoll_ = -1;
  std::vector<Slot> slots_;
  std::vector<size_t> free_;
  std::vector<Line> lines_;
  Schedule schedule_;
  std::deque<uint64_t> waiting_;  // when they were due
  std::optional<uint64_t> next_due_;
  size_t next_request_ = 0;
  uint64_t counted_ = 0;  // sent, not yet all answered
  uint64_t next_check_ = 0;

  std::atomic<bool> stop_{false};
  Recorder latency_;
  Recorder service_;
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<uint64_t> waits_{0};
  std::atomic<uint64_t> most_waits_{0};
  std::atomic<uint64_t> last_answer_{0};
  mutable std::mutex failures_mutex_;
  std::map<std::string, FailureCount> failures_;
};

}  // namespace penstock::load
