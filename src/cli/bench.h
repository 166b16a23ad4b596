// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/context.h>
#include <penstock/device.h>
#include <penstock/engine.h>
#include <penstock/tensor.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace penstock::cli {

struct BenchSettings {
  int iterations = 10;
  double duration_s = 3;
  double warmup_ms = 200;
  int streams = 1;
  int average_runs = 10;
  double sleep_ms = 0;
  bool wait_each = false;     // for a run before the next is enqueued
  bool no_transfers = false;  // inputs and outputs in the device's memory
  int threads = 1;
  int profile = kAutomaticProfile;
  std::vector<double> percentiles = {90, 95, 99};
};

struct BenchExports {
  std::string times;
  std::string profile;
  std::string output;
};

// One run, in milliseconds; starts are from the start of the measurement. On a device it is two
// runs, since events between kernels cost time: `times` are of one that was measured, the rest is
// of one that was not.
struct RunTrace {
  double start_enqueue = 0;
  double end_enqueue = 0;
  double start = 0;  // of its copies in; by the host's clock
  RunTimes times;
  double latency = 0;  // copies and steps; with wait_each, as the caller sees it
};

struct BenchResult {
  std::vector<RunTrace> runs;
  double wall_ms = 0;
  double runs_per_ms = 0;   // of all streams together
  std::string device;       // "NVIDIA H200 (cuda:0)"; "cpu"
  bool has_copies = false;  // between host and device
  DeviceMemory memory;      // when all contexts had run
};

struct LayerTime {
  std::string name;
  std::vector<double> milliseconds;
};

double milliseconds_since(std::chrono::steady_clock::time_point begin);

// Runs contexts side by side until both the iterations and the duration are reached.
Result<BenchResult> bench(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                          const BenchSettings& settings);
// Times each layer in runs of their own, so that timing does not disturb the figures above.
Result<std::vector<LayerTime>> profile_layers(const Engine& engine,
                                              const std::map<std::string, Tensor>& inputs,
                                              const BenchSettings& settings);

// trtexec's lines and JSON keys: scripts parse them.
void print_summary(const BenchResult& result, const BenchSettings& settings, double load_ms,
                   const LoadReport& report);
void print_profile(const std::vector<LayerTime>& layers);
Status export_times(const BenchResult& result, const std::string& path);
Status export_profile(const std::vector<LayerTime>& layers, const std::string& path);
Status export_output(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                     const BenchSettings& settings, const std::string& path);

}  // namespace penstock::cli
