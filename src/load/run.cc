// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/run.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "load/worker.h"

namespace penstock::load {
namespace {

std::unique_ptr<Arrivals> arrivals_for(const RunSettings& settings, int index) {
  switch (settings.loop) {
    case Loop::kClosed: return nullptr;
    case Loop::kConstant: return constant_arrivals(settings.rate, index, settings.threads);
    case Loop::kPoisson:
      return poisson_arrivals(settings.rate, settings.seed, index, settings.threads);
    case Loop::kRecorded: return recorded_arrivals(settings.times, index, settings.threads);
  }
  return nullptr;
}

// The share of worker `index` in `whole`, which is split as evenly as may be.
uint64_t share(uint64_t whole, int index, int count) {
  const auto workers = static_cast<uint64_t>(count);
  return whole / workers + (static_cast<uint64_t>(index) < whole % workers ? 1 : 0);
}

Snapshot take(const std::vector<std::unique_ptr<Worker>>& workers, const Schedule& schedule,
              bool is_open_loop) {
  Snapshot snapshot;
  uint64_t last = schedule.count_from;
  for (const auto& worker : workers) {
    worker->add_to(snapshot, is_open_loop);
    last = std::max(last, worker->last_answer());
  }
  const auto seconds = [&](uint64_t time) {
    return (static_cast<double>(time) - static_cast<double>(schedule.count_from)) / 1e9;
  };
  snapshot.elapsed_s = seconds(now());
  snapshot.measured_s = seconds(last);
  return snapshot;
}

}  // namespace

uint64_t Snapshot::failed() const {
  uint64_t sum = 0;
  for (const auto& [reason, entry] : failures) sum += entry.count;
  return sum;
}

Result<Snapshot> run(const Target& target, const std::vector<Request>& requests,
                     const RunSettings& settings, const std::function<bool()>& cancelled,
                     const Watch& watch) {
  const bool is_open_loop = settings.loop != Loop::kClosed;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < settings.threads; ++i) {
    const auto slots =
        static_cast<int>(share(static_cast<uint64_t>(settings.concurrency), i, settings.threads));
    const uint64_t count =
        settings.requests == 0 ? UINT64_MAX : share(settings.requests, i, settings.threads);
    workers.push_back(std::make_unique<Worker>(target, requests, settings, slots, count,
                                               arrivals_for(settings, i)));
    PENSTOCK_RETURN_IF_ERROR(workers.back()->connect_all());
  }
  const uint64_t start = now();
  const auto after = [&](double seconds) { return start + static_cast<uint64_t>(seconds * 1e9); };
  const Schedule schedule = {start, after(settings.warmup_s),
                             settings.requests > 0 && settings.duration_s <= 0
                                 ? UINT64_MAX
                                 : after(settings.warmup_s + settings.duration_s)};
  std::atomic<size_t> ended{0};
  std::vector<std::thread> threads;
  for (const auto& worker : workers) {
    threads.emplace_back([&worker = *worker, &schedule, &ended] {
      worker.run(schedule);
      ++ended;
    });
  }
  const auto pause = std::chrono::milliseconds(20);
  uint64_t next_watch = 0;
  bool stopped = false;
  while (ended < workers.size()) {
    if (!stopped && cancelled()) {
      stopped = true;
      for (const auto& worker : workers) worker->stop();
    }
    if (watch && now() >= next_watch) {
      next_watch = now() + static_cast<uint64_t>(settings.watch_s * 1e9);
      watch(take(workers, schedule, is_open_loop));
    }
    std::this_thread::sleep_for(pause);
  }
  for (std::thread& thread : threads) thread.join();
  return take(workers, schedule, is_open_loop);
}

}  // namespace penstock::load
