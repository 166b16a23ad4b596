// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

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
  int threads = 1;
  int profile = kAutomaticProfile;
  std::vector<double> percentiles = {90, 95, 99};
};

struct BenchExports {
  std::string times;
  std::string profile;
  std::string output;
};

// One run, in milliseconds from the start of the measurement.
struct RunTrace {
  double start_enqueue = 0;
  double end_enqueue = 0;
  double start_compute = 0;
  double end_compute = 0;
};

struct BenchResult {
  std::vector<RunTrace> runs;
  double wall_ms = 0;
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
void print_summary(const BenchResult& result, const BenchSettings& settings, double load_ms);
void print_profile(const std::vector<LayerTime>& layers);
Status export_times(const BenchResult& result, const std::string& path);
Status export_profile(const std::vector<LayerTime>& layers, const std::string& path);
Status export_output(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                     const BenchSettings& settings, const std::string& path);

}  // namespace penstock::cli
