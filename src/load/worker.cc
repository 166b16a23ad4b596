// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/worker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace penstock::load {
namespace {

constexpr uint64_t kMillisecond = 1000000;
constexpr uint64_t kSecond = 1000 * kMillisecond;
constexpr uint64_t kLongestWait = 50 * kMillisecond;  // between looks at stop_
constexpr uint64_t kRetryAfter = 100 * kMillisecond;
constexpr uint64_t kConnectWithin = 5 * kSecond;
constexpr uint64_t kDrainWhenStopped = kSecond;
constexpr int kEventsAtOnce = 256;

uint64_t nanoseconds(double seconds) { return static_cast<uint64_t>(seconds * 1e9); }

}  // namespace

uint64_t now() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

Worker::Worker(const Target& target, const std::vector<Request>& requests,
               const RunSettings& settings, int slots, uint64_t requests_to_count,
               std::unique_ptr<Arrivals> arrivals)
    : target_(target),
      requests_(requests),
      settings_(settings),
      arrivals_(std::move(arrivals)),
      to_count_(requests_to_count),
      slots_(static_cast<size_t>(slots)) {
  const size_t streams = target.protocol == Protocol::kGrpc ? settings.streams : 1;
  lines_.resize((slots_.size() + streams - 1) / streams);
  // Neighbours on different connections, so that a light load spreads over all.
  for (size_t i = 0; i < slots_.size(); ++i) slots_[i].line = i % lines_.size();
  for (size_t i = slots_.size(); i-- > 0;) free_.push_back(i);
}

Worker::~Worker() {
  if (epoll_ >= 0) ::close(epoll_);
}

Status Worker::open(size_t line) {
  const ConnectionOptions options = {target_.protocol == Protocol::kGrpc ? settings_.streams : 1};
  PENSTOCK_ASSIGN_OR_RETURN(lines_[line].connection, connect(target_, options, *this));
  epoll_event event = {};
  event.events = lines_[line].events = lines_[line].connection->events();
  event.data.u64 = line;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, lines_[line].connection->socket(), &event) != 0) {
    return {StatusCode::kIoError, "epoll: " + socket_reason(errno)};
  }
  return Status::ok();
}

Status Worker::connect_all() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return {StatusCode::kIoError, "epoll: " + socket_reason(errno)};
  for (size_t i = 0; i < lines_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(open(i));
  const uint64_t deadline = now() + kConnectWithin;
  while (true) {
    size_t connecting = 0;
    for (const Line& line : lines_) {
      if (line.connection->is_closed()) {
        return {StatusCode::kIoError,
                fmt::format("no connection to {}: {}; does a server run there?", target_.text,
                            line.connection->problem())};
      }
      connecting += line.connection->is_connecting() ? 1 : 0;
    }
    if (connecting == 0) return Status::ok();
    if (stop_) return {StatusCode::kCancelled, "stopped while connecting"};
    if (now() > deadline) {
      return {StatusCode::kIoError,
              fmt::format("no connection to {} within {} s; does a server run there?", target_.text,
                          kConnectWithin / kSecond)};
    }
    wait(deadline);
  }
}

void Worker::run(const Schedule& schedule) {
  schedule_ = schedule;
  if (arrivals_) next_due_ = arrivals_->next();
  uint64_t time = now();
  while (!is_done(time)) {
    if (stop_ && schedule_.end > time) schedule_.end = time;
    feed(time);
    if (time >= next_check_) {
      check_timeouts(time);
      next_check_ = time + kLongestWait;
    }
    uint64_t until = time + kLongestWait;
    if (next_due_ && goes_on(time)) until = std::min(until, schedule_.start + *next_due_);
    wait(until);
    time = now();
    reopen_closed(time);
  }
  // What never got an answer.
  const Failure late = {stop_ ? "stopped before the answer" : "no answer by the end", ""};
  uint64_t unanswered = 0;
  for (const Slot& slot : slots_) unanswered += slot.busy && counts(slot.due) ? 1 : 0;
  for (const uint64_t due : waiting_) unanswered += counts(due) ? 1 : 0;
  if (unanswered > 0 && !stop_) count_failure(late, unanswered);
  for (Slot& slot : slots_) slot.busy = false;
}

bool Worker::goes_on(uint64_t time) const { return time < schedule_.end && counted_ < to_count_; }

bool Worker::is_done(uint64_t time) const {
  if (goes_on(time) && !(arrivals_ && !next_due_)) return false;
  if (waiting_.empty() && free_.size() == slots_.size()) return true;
  const uint64_t drain = stop_ ? kDrainWhenStopped : nanoseconds(settings_.timeout_s);
  return time > schedule_.end + drain;
}

void Worker::watch(size_t index) {
  Line& line = lines_[index];
  if (line.connection->is_closed() || line.connection->events() == line.events) return;
  epoll_event event = {};
  event.events = line.events = line.connection->events();
  event.data.u64 = index;
  (void)::epoll_ctl(epoll_, EPOLL_CTL_MOD, line.connection->socket(), &event);
}

void Worker::wait(uint64_t until) {
  std::array<epoll_event, kEventsAtOnce> events;
  const uint64_t time = now();
  const uint64_t left = until > time ? std::min(until - time, kLongestWait) : 0;
  const timespec timeout = {0, static_cast<long>(left)};
  int count = ::epoll_pwait2(epoll_, events.data(), kEventsAtOnce, &timeout, nullptr);
  if (count < 0 && errno == ENOSYS) {  // Linux before 5.11: to the millisecond, and never too late
    count =
        ::epoll_wait(epoll_, events.data(), kEventsAtOnce, static_cast<int>(left / kMillisecond));
  }
  for (int i = 0; i < count; ++i) {
    const auto line = static_cast<size_t>(events[static_cast<size_t>(i)].data.u64);
    if (!lines_[line].connection) continue;
    lines_[line].connection->on_events(events[static_cast<size_t>(i)].events);
    watch(line);
  }
}

// A connection that broke is made anew, at most ten times a second.
void Worker::reopen_closed(uint64_t time) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    Line& line = lines_[i];
    if (line.connection && !line.connection->is_closed()) continue;
    if (line.connection) {
      const bool was_good = line.connection->problem() == "connection closed";
      line.connection.reset();
      line.retry_at = was_good ? time : time + kRetryAfter;
    }
    if (time < line.retry_at || !goes_on(time)) continue;
    if (!open(i).is_ok()) line.retry_at = time + kRetryAfter;
  }
}

void Worker::feed(uint64_t time) {
  if (arrivals_) {
    feed_open(time);
  } else {
    feed_closed(time);
  }
}

void Worker::feed_closed(uint64_t time) {
  // What is not sent now, for want of a connection, is tried again after the next wait.
  for (size_t left = free_.size(); left > 0 && goes_on(time); --left) {
    const size_t slot = free_.back();
    free_.pop_back();
    const Line& line = lines_[slots_[slot].line];
    if (line.connection && line.connection->is_open()) {
      send(slot, time, time);
    } else {
      free_.insert(free_.begin(), slot);
    }
  }
}

void Worker::feed_open(uint64_t time) {
  while (next_due_ && schedule_.start + *next_due_ <= time) {
    const uint64_t due = schedule_.start + *next_due_;
    if (due >= schedule_.end || counted_ >= to_count_) {
      next_due_.reset();
      break;
    }
    waiting_.push_back(due);
    counted_ += counts(due) ? 1 : 0;
    next_due_ = arrivals_->next();
  }
  for (size_t left = free_.size(); left > 0 && !waiting_.empty(); --left) {
    const size_t slot = free_.back();
    free_.pop_back();
    const Line& line = lines_[slots_[slot].line];
    if (line.connection && line.connection->is_open()) {
      const uint64_t due = waiting_.front();
      waiting_.pop_front();
      send(slot, due, now());
    } else {
      free_.insert(free_.begin(), slot);
    }
  }
  waits_.store(waiting_.size(), std::memory_order_relaxed);
  if (waiting_.size() > most_waits_) most_waits_ = waiting_.size();
}

void Worker::send(size_t index, uint64_t due, uint64_t time) {
  Slot& slot = slots_[index];
  slot.busy = true;
  slot.due = due;
  slot.sent = time;
  if (!arrivals_) counted_ += counts(due) ? 1 : 0;
  const Request& request = requests_[next_request_];
  if (++next_request_ == requests_.size()) next_request_ = 0;
  in_flight_.store(in_flight_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  lines_[slot.line].connection->start(request, index);
  watch(slot.line);
}

void Worker::finished(Connection& connection, size_t index, const Failure* failure,
                      const std::string&) {
  Slot& slot = slots_[index];
  if (!slot.busy) return;
  const uint64_t time = now();
  slot.busy = false;
  in_flight_.store(in_flight_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  if (counts(slot.due)) {
    last_answer_.store(time, std::memory_order_relaxed);
    if (failure == nullptr) {
      latency_.record(time - slot.due);
      if (arrivals_) service_.record(time - slot.sent);
    } else {
      count_failure(*failure);
    }
  }
  if (!arrivals_ && failure == nullptr && connection.is_open() && goes_on(time)) {
    send(index, time, time);  // at once, not after the next wait
  } else {
    free_.push_back(index);
  }
}

void Worker::check_timeouts(uint64_t time) {
  const uint64_t timeout = nanoseconds(settings_.timeout_s);
  for (const Slot& slot : slots_) {
    if (!slot.busy || time < slot.sent + timeout) continue;
    // Whatever else is on the connection goes with it.
    lines_[slot.line].connection->close(
        {fmt::format("timeout of {:g} s", settings_.timeout_s), ""});
  }
}

void Worker::count_failure(const Failure& failure, uint64_t count) {
  const std::lock_guard lock(failures_mutex_);
  FailureCount& entry = failures_[failure.reason];
  if (entry.count == 0) entry.detail = failure.detail;
  entry.count += count;
}

void Worker::add_to(Snapshot& snapshot, bool is_open_loop) const {
  snapshot.latency.add(latency_);
  if (is_open_loop) snapshot.service.add(service_);
  snapshot.in_flight += in_flight_;
  snapshot.waiting += waits_;
  snapshot.most_waiting += most_waits_;
  const std::lock_guard lock(failures_mutex_);
  for (const auto& [reason, counted] : failures_) {
    FailureCount& entry = snapshot.failures[reason];
    if (entry.count == 0) entry.detail = counted.detail;
    entry.count += counted.count;
  }
}

}  // namespace penstock::load
