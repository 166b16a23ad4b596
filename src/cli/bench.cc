// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/bench.h"

#include <penstock/context.h>

#include <mutex>
#include <thread>

#include "cli/progress.h"

namespace penstock::cli {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

Status set_inputs(ExecutionContext& context, const std::map<std::string, Tensor>& inputs) {
  for (const auto& [name, tensor] : inputs) {
    PENSTOCK_RETURN_IF_ERROR(context.set_input_shape(name, tensor.shape()));
    PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address(name, const_cast<void*>(tensor.data())));
  }
  return Status::ok();
}

class LayerProfiler : public Profiler {
 public:
  void report_step(std::string_view name, double milliseconds) override {
    if (next_ == layers.size()) layers.push_back({std::string(name), {}});
    layers[next_++].milliseconds.push_back(milliseconds);
  }
  void end_run() { next_ = 0; }

  std::vector<LayerTime> layers;

 private:
  size_t next_ = 0;
};

Status warm_up(ExecutionContext& context, const BenchSettings& settings) {
  const Clock::time_point begin = Clock::now();
  do {
    PENSTOCK_RETURN_IF_ERROR(context.run());
  } while (milliseconds_since(begin) < settings.warmup_ms && !interrupted());
  return Status::ok();
}

Status run_stream(ExecutionContext& context, const BenchSettings& settings,
                  Clock::time_point origin, std::vector<RunTrace>& runs) {
  const Clock::time_point begin = Clock::now();
  while (!interrupted() && (static_cast<int>(runs.size()) < settings.iterations ||
                            milliseconds_since(begin) < settings.duration_s * 1000)) {
    const Clock::time_point start = Clock::now();
    PENSTOCK_RETURN_IF_ERROR(context.run());
    const Clock::time_point end = Clock::now();
    // The caller's thread computes: what trtexec calls enqueue is the call itself.
    runs.push_back({milliseconds(origin, start), milliseconds(origin, end),
                    milliseconds(origin, start), milliseconds(origin, end)});
    if (settings.sleep_ms > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(settings.sleep_ms));
    }
  }
  return Status::ok();
}

}  // namespace

double milliseconds_since(Clock::time_point begin) { return milliseconds(begin, Clock::now()); }

Result<BenchResult> bench(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                          const BenchSettings& settings) {
  catch_interrupts();
  std::vector<ExecutionContext> contexts;
  for (int i = 0; i < settings.streams; ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(
        ExecutionContext context,
        engine.create_context({.threads = settings.threads, .profile = settings.profile}));
    contexts.push_back(std::move(context));
    PENSTOCK_RETURN_IF_ERROR(set_inputs(contexts.back(), inputs));
    PENSTOCK_RETURN_IF_ERROR(warm_up(contexts.back(), settings));
  }
  std::vector<std::vector<RunTrace>> runs(contexts.size());
  std::vector<Status> statuses(contexts.size());
  const Clock::time_point origin = Clock::now();
  std::vector<std::thread> threads;
  const auto work = [&](size_t i) {
    statuses[i] = run_stream(contexts[i], settings, origin, runs[i]);
  };
  for (size_t i = 1; i < contexts.size(); ++i) threads.emplace_back(work, i);
  work(0);
  for (std::thread& thread : threads) thread.join();
  BenchResult result;
  result.wall_ms = milliseconds_since(origin);
  for (size_t i = 0; i < contexts.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(statuses[i]);
    result.runs.insert(result.runs.end(), runs[i].begin(), runs[i].end());
  }
  return result;
}

Result<std::vector<LayerTime>> profile_layers(const Engine& engine,
                                              const std::map<std::string, Tensor>& inputs,
                                              const BenchSettings& settings) {
  PENSTOCK_ASSIGN_OR_RETURN(
      ExecutionContext context,
      engine.create_context({.threads = settings.threads, .profile = settings.profile}));
  PENSTOCK_RETURN_IF_ERROR(set_inputs(context, inputs));
  PENSTOCK_RETURN_IF_ERROR(warm_up(context, settings));
  LayerProfiler profiler;
  context.set_profiler(&profiler);
  for (int i = 0; i < std::max(settings.iterations, 10) && !interrupted(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(context.run());
    profiler.end_run();
  }
  return std::move(profiler.layers);
}

}  // namespace penstock::cli
