// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/bench.h"

#include <penstock/context.h>
#include <penstock/device.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "cli/progress.h"

namespace penstock::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Milliseconds of runs that a device is given before it is waited for.
constexpr double kAheadMs = 10;

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

// Where inputs and outputs lie in a measurement: page-locked where they are copied, on the device
// where they are not.
class Exchange {
 public:
  Exchange(const Engine& engine, bool on_device) : device_(engine.device()), engine_(engine) {
    on_device_ = on_device && !device_.is_host();
  }

  Status set(ExecutionContext& context, const std::map<std::string, Tensor>& inputs) {
    for (const auto& [name, tensor] : inputs) {
      PENSTOCK_RETURN_IF_ERROR(context.set_input_shape(name, tensor.shape()));
      PENSTOCK_ASSIGN_OR_RETURN(void* address, place(tensor));
      PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address(name, address));
    }
    return on_device_ ? place_outputs(context) : Status::ok();
  }

 private:
  Result<void*> place(const Tensor& tensor) {
    if (device_.is_host()) return const_cast<void*>(tensor.data());
    if (!on_device_) {
      PENSTOCK_ASSIGN_OR_RETURN(Buffer buffer, device_.allocate_host(tensor.bytes()));
      if (tensor.bytes() > 0) std::memcpy(buffer.data(), tensor.data(), tensor.bytes());
      return keep(std::move(buffer));
    }
    PENSTOCK_ASSIGN_OR_RETURN(Buffer buffer, device_.allocate(tensor.bytes()));
    PENSTOCK_ASSIGN_OR_RETURN(Stream stream, device_.create_stream());
    PENSTOCK_RETURN_IF_ERROR(device_.copy_in(buffer.data(), tensor.data(), tensor.bytes(), stream));
    PENSTOCK_RETURN_IF_ERROR(stream.synchronize());
    return keep(std::move(buffer));
  }

  // Outputs whose shapes depend on data stay where the context puts them.
  Status place_outputs(ExecutionContext& context) {
    for (const TensorInfo& info : engine_.outputs()) {
      if (info.kind != ValueKind::kTensor) continue;
      PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, context.tensor_shape(info.name));
      if (std::count(shape.begin(), shape.end(), -1) > 0) continue;
      PENSTOCK_ASSIGN_OR_RETURN(
          Buffer buffer,
          device_.allocate(static_cast<size_t>(element_count(shape)) * size_of(info.dtype)));
      PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address(info.name, keep(std::move(buffer))));
    }
    return Status::ok();
  }

  void* keep(Buffer buffer) {
    buffers_.push_back(std::move(buffer));
    return buffers_.back().data();
  }

  Device device_;
  const Engine& engine_;
  bool on_device_ = false;
  std::vector<Buffer> buffers_;
};

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

// Gives the milliseconds of a run, by and by.
Result<double> warm_up(ExecutionContext& context, const BenchSettings& settings) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point last;
  do {
    last = Clock::now();
    PENSTOCK_RETURN_IF_ERROR(context.run());
  } while (milliseconds_since(begin) < settings.warmup_ms && !interrupted());
  return milliseconds_since(last);
}

// What one context did.
struct StreamResult {
  std::vector<RunTrace> runs;
  double counted_runs = 0;  // for the throughput
  double counted_ms = 0;
};

// On the CPU the caller's thread computes: what trtexec calls enqueue is the call itself.
Status run_on_host(ExecutionContext& context, Clock::time_point origin, StreamResult& result) {
  const double begin = milliseconds_since(origin);
  PENSTOCK_RETURN_IF_ERROR(context.run());
  const double end = milliseconds_since(origin);
  result.runs.push_back({begin, end, begin, {0, end - begin, 0, false}, end - begin});
  return Status::ok();
}

// `count` runs, the next enqueued while the device has those before; twice, with and without events
// between their parts.
Status run_on_device(ExecutionContext& context, Stream& stream, int count, Clock::time_point origin,
                     StreamResult& result) {
  context.set_run_timing(true);
  for (int i = 0; i < count; ++i) PENSTOCK_RETURN_IF_ERROR(context.enqueue(stream));
  PENSTOCK_RETURN_IF_ERROR(context.wait());
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<RunTimes> times, context.take_run_times());
  context.set_run_timing(false);
  std::vector<RunTrace> runs(static_cast<size_t>(count));
  const double begin = milliseconds_since(origin);
  for (RunTrace& run : runs) {
    run.start_enqueue = milliseconds_since(origin);
    PENSTOCK_RETURN_IF_ERROR(context.enqueue(stream));
    run.end_enqueue = milliseconds_since(origin);
  }
  PENSTOCK_RETURN_IF_ERROR(context.wait());
  const double end = milliseconds_since(origin);
  result.counted_runs += count;
  result.counted_ms += end - begin;
  double start = begin;
  for (size_t i = 0; i < runs.size(); ++i) {
    RunTrace& run = runs[i];
    if (i < times.size()) run.times = times[i];
    run.start = std::max(start, run.start_enqueue);
    run.latency = run.times.copy_in_ms + run.times.compute_ms + run.times.copy_out_ms;
    start = run.start + run.latency;
    if (count == 1) run.latency = end - run.start_enqueue;
    result.runs.push_back(run);
  }
  return Status::ok();
}

Status run_stream(const Engine& engine, ExecutionContext& context, double run_ms,
                  const BenchSettings& settings, Clock::time_point origin, StreamResult& result) {
  const bool on_host = engine.device().is_host();
  const bool one_by_one = settings.wait_each || settings.sleep_ms > 0;
  const int ahead = one_by_one ? 1 : std::clamp(static_cast<int>(kAheadMs / run_ms), 2, 500);
  PENSTOCK_ASSIGN_OR_RETURN(Stream stream, engine.create_stream(settings.threads));
  const Clock::time_point begin = Clock::now();
  while (!interrupted() && (static_cast<int>(result.runs.size()) < settings.iterations ||
                            milliseconds_since(begin) < settings.duration_s * 1000)) {
    PENSTOCK_RETURN_IF_ERROR(on_host ? run_on_host(context, origin, result)
                                     : run_on_device(context, stream, ahead, origin, result));
    if (settings.sleep_ms > 0) {
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(settings.sleep_ms));
    }
  }
  if (on_host) {
    result.counted_runs = static_cast<double>(result.runs.size());
    result.counted_ms = milliseconds_since(begin);
  }
  return Status::ok();
}

}  // namespace

double milliseconds_since(Clock::time_point begin) { return milliseconds(begin, Clock::now()); }

Result<BenchResult> bench(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                          const BenchSettings& settings) {
  catch_interrupts();
  std::vector<ExecutionContext> contexts;
  std::vector<Exchange> exchanges;
  std::vector<double> run_ms;
  for (int i = 0; i < settings.streams; ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(
        ExecutionContext context,
        engine.create_context({.threads = settings.threads, .profile = settings.profile}));
    contexts.push_back(std::move(context));
    exchanges.emplace_back(engine, settings.no_transfers);
    PENSTOCK_RETURN_IF_ERROR(exchanges.back().set(contexts.back(), inputs));
    PENSTOCK_ASSIGN_OR_RETURN(const double milliseconds, warm_up(contexts.back(), settings));
    run_ms.push_back(milliseconds);
  }
  std::vector<StreamResult> results(contexts.size());
  std::vector<Status> statuses(contexts.size());
  const Clock::time_point origin = Clock::now();
  std::vector<std::thread> threads;
  const auto work = [&](size_t i) {
    statuses[i] = run_stream(engine, contexts[i], run_ms[i], settings, origin, results[i]);
  };
  for (size_t i = 1; i < contexts.size(); ++i) threads.emplace_back(work, i);
  work(0);
  for (std::thread& thread : threads) thread.join();
  BenchResult result;
  result.wall_ms = milliseconds_since(origin);
  const Device device = engine.device();
  result.has_copies = !device.is_host() && !settings.no_transfers;
  result.device = device.name();
  if (!device.is_host()) {
    PENSTOCK_ASSIGN_OR_RETURN(const DeviceInfo info, device.info());
    result.device = info.name + " (" + device.name() + ")";
  }
  PENSTOCK_ASSIGN_OR_RETURN(result.memory, device.memory());
  for (size_t i = 0; i < contexts.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(statuses[i]);
    result.runs.insert(result.runs.end(), results[i].runs.begin(), results[i].runs.end());
    if (results[i].counted_ms > 0) {
      result.runs_per_ms += results[i].counted_runs / results[i].counted_ms;
    }
  }
  return result;
}

Result<std::vector<LayerTime>> profile_layers(const Engine& engine,
                                              const std::map<std::string, Tensor>& inputs,
                                              const BenchSettings& settings) {
  PENSTOCK_ASSIGN_OR_RETURN(
      ExecutionContext context,
      engine.create_context({.threads = settings.threads, .profile = settings.profile}));
  Exchange exchange(engine, true);
  PENSTOCK_RETURN_IF_ERROR(exchange.set(context, inputs));
  PENSTOCK_RETURN_IF_ERROR(warm_up(context, settings).status());
  LayerProfiler profiler;
  context.set_profiler(&profiler);
  for (int i = 0; i < std::max(settings.iterations, 10) && !interrupted(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(context.run());
    profiler.end_run();
  }
  return std::move(profiler.layers);
}

}  // namespace penstock::cli
