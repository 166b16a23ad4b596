// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/statistics.h"

namespace penstock::cli {
namespace {

constexpr double kUnstable = 0.025;  // trtexec warns from the same share on

template <typename Figure>
std::vector<double> figures(const BenchResult& result, Figure&& figure) {
  std::vector<double> all;
  for (const RunTrace& run : result.runs) all.push_back(figure(run));
  return all;
}

std::vector<double> compute_times(const BenchResult& result) {
  return figures(result, [](const RunTrace& run) { return run.times.compute_ms; });
}

// How runs were made: what the figures must be read with.
std::string circumstances(const BenchResult& result, const BenchSettings& settings) {
  const std::string streams =
      fmt::format("{} stream{}", settings.streams, settings.streams == 1 ? "" : "s");
  if (result.device == "cpu") {
    return fmt::format(
        "{} of {} thread{}; inputs and outputs stay in host memory, so both transfers are 0",
        streams, settings.threads, settings.threads == 1 ? "" : "s");
  }
  size_t replayed = 0;
  for (const RunTrace& run : result.runs) replayed += run.times.replayed;
  return fmt::format(
      "{}; {}; {}; {}", streams,
      result.has_copies ? "inputs and outputs in page-locked host memory, copied on the stream"
                        : "inputs and outputs in its memory, so both transfers are 0",
      settings.wait_each || settings.sleep_ms > 0 ? "each run waited for" : "runs enqueued ahead",
      replayed == result.runs.size()
          ? "steps replayed as a CUDA graph"
          : fmt::format("steps of {} of {} runs replayed as a CUDA graph", replayed,
                        result.runs.size()));
}

// What the measurement held of the device's memory, and for what.
std::string to_text(const DeviceMemory& memory) {
  std::string text =
      fmt::format("{} held, {} at the peak", bytes_text(memory.held), bytes_text(memory.peak));
  if (memory.limit > 0) text += fmt::format(", {} allowed", bytes_text(memory.limit));
  return text + fmt::format("; weights {}, scratch {}, inputs and outputs {}",
                            bytes_text(memory.weights), bytes_text(memory.scratch),
                            bytes_text(memory.tensors + memory.buffers));
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

Status write_json(const nlohmann::json& object, const std::string& path) {
  std::ofstream file(path);
  file << object.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  file.close();
  if (file) return Status::ok();
  return {StatusCode::kIoError, "cannot write '" + path + "': " + std::strerror(errno)};
}

nlohmann::json elements(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DataType::kFloat32: return tensor.as<float>();
    case DataType::kFloat64: return tensor.as<double>();
    case DataType::kInt64: return tensor.as<int64_t>();
    case DataType::kInt32: return tensor.as<int32_t>();
    default: return tensor.as<uint8_t>();
  }
}

void print_trace(const BenchResult& result, int average_runs) {
  const std::vector<RunTrace>& runs = result.runs;
  fmt::print("=== Trace details ===\n");
  fmt::print("Trace averages of {} runs:\n", average_runs);
  for (size_t begin = 0; begin + average_runs <= runs.size(); begin += average_runs) {
    double compute = 0;
    double latency = 0;
    double enqueue = 0;
    for (size_t i = begin; i < begin + average_runs; ++i) {
      compute += runs[i].times.compute_ms / average_runs;
      latency += runs[i].latency / average_runs;
      enqueue += (runs[i].end_enqueue - runs[i].start_enqueue) / average_runs;
    }
    fmt::print(
        "Average on {} runs - GPU latency: {:.6g} ms - Host latency: {:.6g} ms (enqueue {:.6g} "
        "ms)\n",
        average_runs, compute, latency, enqueue);
  }
}

// "plan file 3.1, device 120, tactics 0.2, weights 9.8, bindings 12, device code 7 in 24"
std::string phases_text(const LoadReport& report) {
  std::string text;
  for (const LoadReport::Phase& phase : report.phases) {
    text += fmt::format("{}{} {:.3g}", text.empty() ? "" : ", ", phase.name, phase.milliseconds);
    if (phase.times > 1) text += fmt::format(" in {}", phase.times);
  }
  return text;
}

}  // namespace

void print_summary(const BenchResult& result, const BenchSettings& settings, double load_ms,
                   const LoadReport& report) {
  const std::vector<double> times = compute_times(result);
  const Statistics compute = summarize(times, settings.percentiles);
  const auto print = [&](std::string_view name, auto&& figure) {
    fmt::print("{}: {}\n", name, to_text(summarize(figures(result, figure), settings.percentiles)));
  };
  print_trace(result, settings.average_runs);
  fmt::print("\n=== Performance summary ===\n");
  fmt::print("Device: {}, {}\n", result.device, circumstances(result, settings));
  fmt::print("Load: {:.3g} ms\n", load_ms);
  fmt::print("Device memory: {}\n", to_text(result.memory));
  fmt::print("Load and bindings, ms: {}\n", phases_text(report));
  for (const std::string& warning : report.warnings) fmt::print("warning: {}\n", warning);
  fmt::print("Throughput: {:.6g} qps\n", result.runs_per_ms * 1000);
  print("Latency", [](const RunTrace& run) { return run.latency; });
  print("Enqueue Time", [](const RunTrace& run) { return run.end_enqueue - run.start_enqueue; });
  print("H2D Latency", [](const RunTrace& run) { return run.times.copy_in_ms; });
  fmt::print("GPU Compute Time: {}\n", to_text(compute));
  print("D2H Latency", [](const RunTrace& run) { return run.times.copy_out_ms; });
  fmt::print("Total Host Walltime: {:.6g} s\n", result.wall_ms / 1000);
  fmt::print("Total GPU Compute Time: {:.6g} s\n", sum(times) / 1000);
  if (compute.coefficient_of_variation > kUnstable) {
    fmt::print(
        "warning: compute time is unstable, with a coefficient of variation of {:.3g}%; other work "
        "may share the {}\n",
        compute.coefficient_of_variation * 100, result.device == "cpu" ? "processor" : "GPU");
  }
  if (settings.streams > 1) {
    fmt::print(
        "note: with several streams, judge by Throughput: a run's latency includes its "
        "neighbours\n");
  }
}

void print_profile(const std::vector<LayerTime>& layers) {
  double total = 0;
  for (const LayerTime& layer : layers) total += sum(layer.milliseconds);
  fmt::print("\n=== Profile ({} iterations) ===\n",
             layers.empty() ? 0 : layers[0].milliseconds.size());
  fmt::print("{:>10} {:>10} {:>11} {:>8}  {}\n", "Time(ms)", "Avg.(ms)", "Median(ms)", "Time(%)",
             "Layer");
  for (const LayerTime& layer : layers) {
    const Statistics statistics = summarize(layer.milliseconds, {});
    const double time = sum(layer.milliseconds);
    fmt::print("{:>10.3f} {:>10.4f} {:>11.4f} {:>8.1f}  {}\n", time, statistics.mean,
               statistics.median, total == 0 ? 0 : time / total * 100, layer.name);
  }
}

Status export_profile(const std::vector<LayerTime>& layers, const std::string& path) {
  if (path.empty()) return Status::ok();
  double total = 0;
  for (const LayerTime& layer : layers) total += sum(layer.milliseconds);
  nlohmann::json array = nlohmann::json::array();
  array.push_back({{"count", layers.empty() ? 0 : layers[0].milliseconds.size()}});
  for (const LayerTime& layer : layers) {
    const Statistics statistics = summarize(layer.milliseconds, {});
    const double time = sum(layer.milliseconds);
    array.push_back({{"name", layer.name},
                     {"timeMs", time},
                     {"averageMs", statistics.mean},
                     {"medianMs", statistics.median},
                     {"percentage", total == 0 ? 0 : time / total * 100}});
  }
  return write_json(array, path);
}

Status export_times(const BenchResult& result, const std::string& path) {
  if (path.empty()) return Status::ok();
  nlohmann::json array = nlohmann::json::array();
  for (const RunTrace& run : result.runs) {
    const double computes = run.start + run.times.copy_in_ms;
    const double copies_out = computes + run.times.compute_ms;
    array.push_back({{"startEnqMs", run.start_enqueue},
                     {"endEnqMs", run.end_enqueue},
                     {"startH2dMs", run.start},
                     {"endH2dMs", computes},
                     {"startComputeMs", computes},
                     {"endComputeMs", copies_out},
                     {"startD2hMs", copies_out},
                     {"endD2hMs", copies_out + run.times.copy_out_ms},
                     {"h2dMs", run.times.copy_in_ms},
                     {"computeMs", run.times.compute_ms},
                     {"d2hMs", run.times.copy_out_ms},
                     {"latencyMs", run.latency}});
  }
  return write_json(array, path);
}

Status export_output(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                     const BenchSettings& settings, const std::string& path) {
  if (path.empty()) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(
      ExecutionContext context,
      engine.create_context({.threads = settings.threads, .profile = settings.profile}));
  PENSTOCK_ASSIGN_OR_RETURN(const auto outputs, context.run(inputs));
  nlohmann::json array = nlohmann::json::array();
  for (const auto& [name, tensor] : outputs) {
    std::string dimensions;
    for (int64_t extent : tensor.shape()) {
      dimensions += (dimensions.empty() ? "" : "x") + std::to_string(extent);
    }
    array.push_back({{"name", name}, {"dimensions", dimensions}, {"values", elements(tensor)}});
  }
  return write_json(array, path);
}

}  // namespace penstock::cli
