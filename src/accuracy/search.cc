// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/diagnostics.h>
#include <penstock/precision_search.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "accuracy/model.h"
#include "accuracy/samples.h"
#include "accuracy/sensitivity.h"
#include "accuracy/stopwatch.h"
#include "base/memory_guard.h"

namespace penstock {
namespace {

using accuracy::Layer;
using accuracy::Model;
using accuracy::Stopwatch;
using Layers = std::set<std::string>;  // names of those that stay in float

// A mix that is this much faster is faster: below, times of two runs differ as much.
constexpr double kFaster = 1.03;

// A file for the times of this search's builds where the caller keeps none.
class TimingFile {
 public:
  TimingFile()
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("penstock-search-{}-{}.cache", ::getpid(), ++count_)) {}
  ~TimingFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TimingFile(const TimingFile&) = delete;
  TimingFile& operator=(const TimingFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  static inline std::atomic<int> count_ = 0;
  std::filesystem::path path_;
};

class Search {
 public:
  Search(const Model& model, const Arrays& data, const SearchOptions& options)
      : model_(model), all_data_(data), options_(options), build_(options.build) {
    build_.progress = nullptr;
    if (build_.timing_cache.empty()) build_.timing_cache = timing_.path();
  }

  Result<SearchResult> run() {
    const auto begin = std::chrono::steady_clock::now();
    PENSTOCK_RETURN_IF_ERROR(prepare());
    PENSTOCK_RETURN_IF_ERROR(evaluate_float32());
    PENSTOCK_ASSIGN_OR_RETURN(Layers lifted, find_accurate());
    PENSTOCK_RETURN_IF_ERROR(find_faster(std::move(lifted)));
    PENSTOCK_RETURN_IF_ERROR(confirm());
    PENSTOCK_RETURN_IF_ERROR(finish());
    result_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    tell("done", 1);
    return std::move(result_);
  }

 private:
  void tell(const std::string& what, double fraction) const {
    if (options_.progress) options_.progress(what, fraction);
  }
  bool may_try() const { return tried_ < options_.most_trials; }
  // Progress goes by trials; a ranking takes as long as several.
  double done() const { return 0.1 + 0.85 * tried_ / std::max(1, options_.most_trials); }

  Status prepare() {
    tell("prepare", 0);
    if (!build_.int8 || build_.calibration == nullptr) {
      return {StatusCode::kInvalidArgument,
              "an accuracy budget is for a mix with INT8: ask for INT8, with calibration data"};
    }
    if (options_.most_trials < 1) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{} trials; give 1 or more", options_.most_trials)};
    }
    PENSTOCK_ASSIGN_OR_RETURN(layers_, accuracy::free_layers(model_, build_));
    result_.layers = static_cast<int>(layers_.size());
    result_.metric = options_.metric.name;
    result_.budget = options_.budget;
    for (const Layer& layer : layers_) order_.push_back(layer.name);
    return Status::ok();
  }

  BuildOptions lifted_build(const Layers& lifted,
                            std::shared_ptr<const CalibrationTable> calibration) const {
    BuildOptions build = build_;
    build.calibration = std::move(calibration);
    for (const std::string& layer : order_) {
      if (lifted.count(layer) != 0) {
        build.layer_precisions.push_back(accuracy::keep_in_float(layer));
      }
    }
    return build;
  }
  BuildOptions float_build() const {
    BuildOptions build = build_;
    build.int8 = build.tf32 = false;  // the calibration still tells what inputs hold
    build.precision = DataType::kFloat32;
    build.layer_precisions.clear();
    return build;
  }

  Status evaluate_float32() {
    tell("float32", 0.02);
    const BuildOptions build = float_build();
    PENSTOCK_ASSIGN_OR_RETURN(BuiltPlan built, model_.build(build));
    PENSTOCK_ASSIGN_OR_RETURN(const Engine engine,
                              Engine::deserialize(built.plan, {built.summary.device}));
    PENSTOCK_ASSIGN_OR_RETURN(samples_of_all_, accuracy::sample_count(all_data_, engine.inputs()));
    const int64_t most = options_.evaluation.most_samples;
    samples_of_trials_ = most > 0 ? std::min(most, samples_of_all_) : samples_of_all_;
    data_ = accuracy::first_samples(all_data_, samples_of_all_, samples_of_trials_);
    PENSTOCK_ASSIGN_OR_RETURN(reference_, run_samples(engine, data_, evaluation("float32")));
    PENSTOCK_ASSIGN_OR_RETURN(const Accuracy accuracy,
                              judge_outputs(reference_, &reference_, data_, options_.metric));
    PENSTOCK_ASSIGN_OR_RETURN(Stopwatch stopwatch, Stopwatch::create(engine, data_));
    stopwatch_.emplace(std::move(stopwatch));
    PENSTOCK_ASSIGN_OR_RETURN(const Stopwatch::Times times, stopwatch_->measure(engine));
    note_times(built, float_times_);
    PrecisionTrial trial;
    trial.what = "float32";
    trial.milliseconds = times.milliseconds;
    trial.figure = accuracy.figure;
    trial.is_within = true;
    result_.trials.push_back(std::move(trial));
    reference_accuracy_ = accuracy;
    calibrations_.push_back(nullptr);
    keep(0, std::move(built), accuracy, build);
    return Status::ok();
  }

  EvaluationOptions evaluation(const std::string& what) const {
    EvaluationOptions evaluation = options_.evaluation;
    evaluation.most_samples = 0;
    if (!evaluation.cancelled) evaluation.cancelled = build_.cancelled;
    evaluation.progress = [this, what](std::string_view, double) { tell(what, done()); };
    return evaluation;
  }

  void keep(size_t trial, BuiltPlan plan, const Accuracy& accuracy, BuildOptions build) {
    result_.chosen = trial;
    result_.plan = std::move(plan);
    result_.accuracy = accuracy;
    result_.is_float = !build.int8;
    result_.calibration = std::move(build.calibration);
    result_.layer_precisions = std::move(build.layer_precisions);
  }

  // Builds, runs and times a mix; keeps it if it is the fastest within the budget.
  Result<const PrecisionTrial*> attempt(const std::string& what, const Layers& lifted) {
    ++tried_;
    tell(what, done());
    BuildOptions build = lifted_build(lifted, build_.calibration);
    PENSTOCK_ASSIGN_OR_RETURN(BuiltPlan built, model_.build(build));
    PENSTOCK_ASSIGN_OR_RETURN(const Engine engine,
                              Engine::deserialize(built.plan, {built.summary.device}));
    PENSTOCK_ASSIGN_OR_RETURN(const Arrays outputs, run_samples(engine, data_, evaluation(what)));
    PENSTOCK_ASSIGN_OR_RETURN(const Accuracy accuracy,
                              judge_outputs(outputs, &reference_, data_, options_.metric));
    PENSTOCK_ASSIGN_OR_RETURN(const Stopwatch::Times times, stopwatch_->measure(engine));
    if (lifted.empty() && int8_times_.empty()) note_times(built, int8_times_);
    PrecisionTrial trial;
    trial.what = what;
    for (const std::string& layer : order_) {
      if (lifted.count(layer) != 0) trial.lifted.push_back(layer);
    }
    trial.milliseconds = times.milliseconds;
    trial.speed = times.ratio;
    trial.figure = accuracy.figure;
    trial.loss = accuracy.loss;
    trial.is_within = accuracy.loss <= options_.budget;
    result_.trials.push_back(trial);
    calibrations_.push_back(build_.calibration);
    if (trial.is_within && trial.speed > result_.trials[result_.chosen].speed * threshold(trial)) {
      keep(result_.trials.size() - 1, std::move(built), accuracy, std::move(build));
    }
    return &result_.trials.back();
  }

  // What has more layers in 8 bits wins unless it is slower; what has fewer must be faster.
  double threshold(const PrecisionTrial& trial) const {
    const PrecisionTrial& best = result_.trials[result_.chosen];
    if (result_.is_float) return kFaster;
    return trial.lifted.size() < best.lifted.size() ? 1 / kFaster : kFaster;
  }

  // Clipping that loses nothing comes before layers in float, which cost time.
  Result<bool> find_calibration() {
    PENSTOCK_ASSIGN_OR_RETURN(const PrecisionTrial* trial, attempt("all layers in INT8", {}));
    double least = trial->loss;
    if (trial->is_within) return true;
    const auto first = build_.calibration;
    auto best = first;
    for (const auto& other : options_.other_calibrations) {
      if (!may_try() || other->method == first->method) continue;
      build_.calibration = other;
      PENSTOCK_ASSIGN_OR_RETURN(trial,
                                attempt("all layers in INT8, calibration " + other->method, {}));
      if (trial->is_within) return true;
      if (trial->loss >= least) continue;
      least = trial->loss;
      best = other;
    }
    build_.calibration = best;
    return false;
  }

  // All in 8 bits; else as few lifted as the ranking says.
  Result<Layers> find_accurate() {
    if (build_.precision != DataType::kFloat32) {
      PENSTOCK_RETURN_IF_ERROR(
          attempt("no layer in INT8", Layers(order_.begin(), order_.end())).status());
    }
    PENSTOCK_ASSIGN_OR_RETURN(const bool is_within, find_calibration());
    if (is_within || !may_try()) return Layers();
    PENSTOCK_RETURN_IF_ERROR(rank());
    // The fewest of the ranking's first that suffice: more layers lose less, nearly always.
    size_t fails = 0;
    size_t holds = layers_.size();
    const auto first = [&](size_t count) {
      Layers lifted;
      for (size_t i = 0; i < count; ++i) lifted.insert(ranked_[i]);
      return lifted;
    };
    while (holds - fails > 1 && may_try()) {
      // Few are needed, as a rule: the middle of the logarithms, not of the counts.
      const size_t middle = std::clamp<size_t>(
          static_cast<size_t>(std::sqrt(static_cast<double>((fails + 1) * holds))), fails + 1,
          holds - 1);
      PENSTOCK_ASSIGN_OR_RETURN(
          const PrecisionTrial* trial,
          attempt(fmt::format("the {} most sensitive layers lifted", middle), first(middle)));
      (trial->is_within ? holds : fails) = middle;
    }
    Layers lifted = first(holds);
    if (holds == layers_.size()) return lifted;
    return put_back(std::move(lifted), holds);
  }

  // Those that the ranking put before others for little, one by one.
  Result<Layers> put_back(Layers lifted, size_t count) {
    for (size_t i = count - 1; i-- > 0 && may_try();) {
      Layers fewer = lifted;
      fewer.erase(ranked_[i]);
      PENSTOCK_ASSIGN_OR_RETURN(const PrecisionTrial* trial,
                                attempt(fmt::format("'{}' back in INT8", ranked_[i]), fewer));
      if (trial->is_within) lifted = std::move(fewer);
    }
    return lifted;
  }

  Status rank() {
    SensitivityOptions options = ranking_options();
    options.progress = [&](std::string_view what, double fraction) {
      tell(std::string(what), done() * (1 - fraction) + (done() + 0.05) * fraction);
    };
    PENSTOCK_ASSIGN_OR_RETURN(result_.sensitivity, accuracy::rank_layers(model_, data_, options));
    for (const LayerSensitivity& layer : result_.sensitivity.layers) {
      ranked_.push_back(layer.layer);
    }
    return Status::ok();
  }

  SensitivityOptions ranking_options() const {
    SensitivityOptions options;
    options.build = build_;
    options.samples = options_.ranking_samples;
    options.histograms = options_.histograms;
    return options;
  }

  // The tuner's time of each ONNX node's step, where its step has one origin.
  static void note_times(const BuiltPlan& built, std::map<std::string, double>& times) {
    const Result<std::string> facts = inspect_plan(built.plan);
    if (!facts.is_ok()) return;
    const auto json = nlohmann::json::parse(*facts, nullptr, false);
    if (!json.contains("layers")) return;
    for (const auto& layer : json["layers"]) {
      const double microseconds = layer.value("us", 0.0);
      times[layer.value("name", "")] += microseconds;
      for (const auto& origin : layer.value("onnx_nodes", nlohmann::json::array())) {
        if (origin.is_string()) times[origin.get<std::string>()] += microseconds;
      }
    }
  }

  // Layers whose kernels are faster in float, all together, beside what accuracy asked for.
  Status find_faster(Layers lifted) {
    const size_t before = lifted.size();
    for (const Layer& layer : layers_) {
      const auto in_float = float_times_.find(layer.name);
      const auto in_int8 = int8_times_.find(layer.name);
      if (in_float == float_times_.end() || in_int8 == int8_times_.end()) continue;
      if (in_float->second * kFaster < in_int8->second) lifted.insert(layer.name);
    }
    if (lifted.size() == before || lifted.size() == layers_.size() || !may_try()) {
      return Status::ok();
    }
    return attempt(fmt::format("{} layers lifted that are faster in float", lifted.size() - before),
                   lifted)
        .status();
  }

  // Where trials saw a part of the samples: the chosen one on all, and the next fastest if it
  // fails.
  Status confirm() {
    const int64_t part = samples_of_trials_;
    const int64_t all = samples_of_all_;
    while (part < all && !result_.is_float) {
      tell("confirm on all samples", 0.96);
      PENSTOCK_ASSIGN_OR_RETURN(const bool holds, holds_on_all());
      if (holds) break;
      PENSTOCK_RETURN_IF_ERROR(choose_next());
    }
    return Status::ok();
  }

  Result<bool> holds_on_all() {
    if (all_reference_.empty()) {
      PENSTOCK_ASSIGN_OR_RETURN(const BuiltPlan floats, model_.build(float_build()));
      PENSTOCK_ASSIGN_OR_RETURN(const Engine engine,
                                Engine::deserialize(floats.plan, {floats.summary.device}));
      PENSTOCK_ASSIGN_OR_RETURN(all_reference_,
                                run_samples(engine, all_data_, evaluation("confirm")));
    }
    PENSTOCK_ASSIGN_OR_RETURN(
        const Engine engine, Engine::deserialize(result_.plan.plan, {result_.plan.summary.device}));
    PENSTOCK_ASSIGN_OR_RETURN(const Arrays outputs,
                              run_samples(engine, all_data_, evaluation("confirm")));
    PENSTOCK_ASSIGN_OR_RETURN(result_.accuracy,
                              judge_outputs(outputs, &all_reference_, all_data_, options_.metric));
    PrecisionTrial& trial = result_.trials[result_.chosen];
    trial.figure = result_.accuracy.figure;
    trial.loss = result_.accuracy.loss;
    trial.is_within = trial.loss <= options_.budget;
    return trial.is_within;
  }

  Status choose_next() {
    size_t best = 0;
    for (size_t i = 1; i < result_.trials.size(); ++i) {
      const PrecisionTrial& trial = result_.trials[i];
      if (trial.is_within && trial.speed > result_.trials[best].speed) best = i;
    }
    if (best == 0) {
      PENSTOCK_ASSIGN_OR_RETURN(BuiltPlan floats, model_.build(float_build()));
      keep(0, std::move(floats), reference_accuracy_, float_build());
      return Status::ok();
    }
    const std::vector<std::string>& lifted = result_.trials[best].lifted;
    BuildOptions build = lifted_build(Layers(lifted.begin(), lifted.end()), calibrations_[best]);
    PENSTOCK_ASSIGN_OR_RETURN(BuiltPlan built, model_.build(build));
    keep(best, std::move(built), result_.accuracy, std::move(build));
    return Status::ok();
  }

  Status finish() {
    result_.speed = result_.trials[result_.chosen].speed;
    if (!options_.histograms || !result_.sensitivity.histograms.empty()) return Status::ok();
    SensitivityOptions options = ranking_options();
    options.most_lifted = 0;
    PENSTOCK_ASSIGN_OR_RETURN(result_.sensitivity, accuracy::rank_layers(model_, data_, options));
    return Status::ok();
  }

  const Model& model_;
  const Arrays& all_data_;
  const SearchOptions& options_;
  TimingFile timing_;
  BuildOptions build_;
  std::vector<Layer> layers_;
  std::vector<std::string> order_;   // their names, in the order of the run
  std::vector<std::string> ranked_;  // the same, those first that gain most
  Arrays data_;                      // the samples of trials
  int64_t samples_of_trials_ = 0;
  int64_t samples_of_all_ = 0;
  Arrays reference_;      // float32's outputs of them
  Arrays all_reference_;  // and of all samples, where the chosen mix is confirmed on those
  Accuracy reference_accuracy_;
  std::vector<std::shared_ptr<const CalibrationTable>> calibrations_;  // of the trials
  std::optional<Stopwatch> stopwatch_;
  std::map<std::string, double> float_times_;
  std::map<std::string, double> int8_times_;
  int tried_ = 0;
  SearchResult result_;
};

}  // namespace

Result<SearchResult> search_precisions(const std::filesystem::path& onnx_path, const Arrays& data,
                                       const SearchOptions& options) {
  const Model model = compiler::model_of(onnx_path);
  return guard_memory("the search", [&] { return Search(model, data, options).run(); });
}

Result<SearchResult> search_precisions(const OnnxBytes& onnx, const Arrays& data,
                                       const SearchOptions& options) {
  const Model model = compiler::model_of(onnx);
  return guard_memory("the search", [&] { return Search(model, data, options).run(); });
}

}  // namespace penstock
