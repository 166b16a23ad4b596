// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_stream.h"

#include <immintrin.h>

#include <chrono>

namespace penstock::backends {
namespace {

// Waking a thread costs the caller more than a small run takes: a worker that ran out of work looks
// for more this long before it sleeps.
constexpr std::chrono::microseconds kLinger{30};

}  // namespace

void WorkQueue::push(std::function<void()> work) {
  if (count_ == ring_.size()) {
    std::vector<std::function<void()>> larger(2 * ring_.size());
    for (size_t i = 0; i < count_; ++i) {
      larger[i] = std::move(ring_[(first_ + i) % ring_.size()]);
    }
    ring_ = std::move(larger);
    first_ = 0;
  }
  ring_[(first_ + count_) % ring_.size()] = std::move(work);
  ++count_;
}

std::function<void()> WorkQueue::pop() {
  std::function<void()> work = std::move(ring_[first_]);
  ring_[first_] = nullptr;
  first_ = (first_ + 1) % ring_.size();
  --count_;
  return work;
}

CpuStream::~CpuStream() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  if (worker_.joinable()) worker_.join();
}

void CpuStream::enqueue(std::function<void()> work) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    queue_.push(std::move(work));
    arrivals_.store(arrivals_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    if (!worker_.joinable()) worker_ = std::thread([this] { serve(); });
    wake = sleeping_;
  }
  if (wake) arrived_.notify_one();
}

Status CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return queue_.empty() && !busy_; });
  return Status::ok();
}

Result<bool> CpuStream::is_done() {
  std::lock_guard lock(mutex_);
  return queue_.empty() && !busy_;
}

void CpuStream::linger() const {
  const auto end = std::chrono::steady_clock::now() + kLinger;
  while (arrivals_.load(std::memory_order_acquire) == seen_) {
    for (int i = 0; i < 16; ++i) _mm_pause();
    if (std::chrono::steady_clock::now() >= end) return;
  }
}

void CpuStream::serve() {
  team_.enter();
  std::unique_lock lock(mutex_);
  while (true) {
    sleeping_ = true;
    arrived_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    sleeping_ = false;
    if (queue_.empty()) return;  // stopping, and all accepted work is done
    std::function<void()> work = queue_.pop();
    busy_ = true;
    lock.unlock();
    work();
    work = nullptr;  // what it held may be freed before anyone hears that it is done
    lock.lock();
    busy_ = false;
    if (!queue_.empty()) continue;
    idle_.notify_all();
    if (stopping_) continue;
    seen_ = arrivals_.load(std::memory_order_relaxed);
    lock.unlock();
    linger();
    lock.lock();
  }
}

}  // namespace penstock::backends
