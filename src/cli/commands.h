// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/accuracy.h>
#include <penstock/builder.h>
#include <penstock/calibration.h>
#include <penstock/input_monitor.h>
#include <penstock/value.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

namespace penstock::cli {

// Each adds its subcommand; the callback stores the process's exit code: 0 done, 1 failed.
void add_build_command(CLI::App& app, int& exit_code);
void add_run_command(CLI::App& app, int& exit_code);
void add_inspect_command(CLI::App& app, int& exit_code);
void add_bench_command(CLI::App& app, int& exit_code);
void add_accuracy_command(CLI::App& app, int& exit_code);
void add_compare_command(CLI::App& app, int& exit_code);
void add_load_command(CLI::App& app, int& exit_code);
void add_operators_command(CLI::App& app, int& exit_code);
void add_serve_command(CLI::App& app, int& exit_code);

// Where INT8 gets its ranges from.
struct CalibrationFlags {
  std::string data;
  std::string method = "entropy";
  double percentile = 99.99;
  int64_t batch = 32;
  int64_t most_batches = 0;
  std::string cache;

  void add_to(CLI::App& command);
  bool is_given() const { return !data.empty() || !cache.empty(); }
  // The cache where there is one, else from the data, which is then written there; null without
  // either. `build` has the shapes and threads.
  Result<std::shared_ptr<const CalibrationTable>> table(const std::string& onnx,
                                                        const BuildOptions& build,
                                                        bool quiet) const;
  // The same, followed by those of other methods, where there is data and they are wanted: from one
  // run over it.
  Result<std::vector<std::shared_ptr<const CalibrationTable>>> tables(const std::string& onnx,
                                                                      const BuildOptions& build,
                                                                      bool quiet,
                                                                      bool all_methods) const;
};

// What a plan is to record of its inputs.
struct ContractFlags {
  std::vector<std::string> ranges;  // "NAME:MIN:MAX"
  std::vector<std::string> means;   // "NAME:0.5" or "NAME:0.485/0.456/0.406"
  std::vector<std::string> deviations;

  void add_to(CLI::App& command);
  Result<std::map<std::string, InputContract>> contracts() const;
};

// To stderr, where inputs are not what the plan expects.
void warn_of_inputs(const Engine& engine, const std::map<std::string, Value>& inputs);

struct BuildFlags;

// How samples are judged, and which.
struct MetricFlags {
  MetricOptions options;
  int64_t batch = 0;
  int64_t samples = 0;

  void add_to(CLI::App& command);
};

// A build within an accuracy budget.
struct SearchFlags {
  std::string data;
  std::string budget;
  std::string report;  // HTML
  int most_trials = 16;
  int64_t ranking_samples = 32;
  MetricFlags metric;

  void add_to(CLI::App& command);
  bool is_asked() const { return !budget.empty(); }
  // With --accuracy-budget's companions only: an error names the one that is missing.
  Status check(const BuildFlags& build) const;
};

// Searches, writes plan, report and calibration cache, and prints what came of it.
Status search_with_progress(const std::string& onnx, const std::string& plan, BuildOptions options,
                            const CalibrationFlags& calibration, const SearchFlags& search,
                            bool quiet);

// All arrays of a .npz file, or of a folder of .npy files.
Result<Arrays> read_arrays(const std::string& path);

// "91.30 %", "0.80296"; "0.30 points", "0.00120".
std::string figure_text(const Metric& metric, double figure);
std::string loss_text(const Metric& metric, double loss);

// Options that build, bench and compare share.
struct BuildFlags {
  // As given; for shape inputs, values.
  struct ProfileTexts {
    std::string min_shapes;
    std::string opt_shapes;
    std::string max_shapes;
  };
  std::map<int, ProfileTexts> profiles;
  int profile = 0;  // the one that the next shapes belong to
  std::string timing_cache;
  std::string device = "auto";
  bool fp16 = false;
  bool bf16 = false;
  bool tf32 = false;
  bool int8 = false;
  bool best = false;
  CalibrationFlags calibration;
  ContractFlags contract;
  std::vector<std::string> layer_precisions;  // "PATTERN:fp32"
  int threads = 0;
  int concurrent_contexts = 1;
  int level = 3;
  double workspace_mib = 0;
  uint64_t memory_limit = 0;  // bytes
  std::vector<std::string> tactic_sources;

  void add_to(CLI::App& command);
  // All but the calibration, which takes long: see build_with_progress.
  Result<BuildOptions> options() const;

 private:
  void add_profiles_to(CLI::App& command);
};

// "--memory-limit 4GiB", in bytes.
void add_memory_limit(CLI::App& command, uint64_t& bytes);

// Prints "error: ..." to stderr; the exit code for it.
int report(const Status& status);

// Builds, after calibration where that is asked for, with a progress display; on an interrupt says
// what was kept.
Result<BuildSummary> build_with_progress(const std::string& onnx, const std::string& plan,
                                         BuildOptions options, const CalibrationFlags& calibration,
                                         bool quiet);

// A plan file made from an ONNX file for the life of this object; or the plan itself.
class PlanSource {
 public:
  static Result<PlanSource> open(const std::string& model, const BuildFlags& flags);
  PlanSource(PlanSource&&) noexcept;
  PlanSource& operator=(PlanSource&&) = delete;
  ~PlanSource();
  const std::string& path() const { return path_; }

 private:
  PlanSource(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::string path_;
  bool temporary_;
};

// "12.3 MiB"
std::string bytes_text(uint64_t bytes);

}  // namespace penstock::cli
