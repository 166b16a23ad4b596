// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/accuracy.h>
#include <penstock/builder.h>
#include <penstock/calibration.h>
#include <penstock/status.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace penstock {

// A layer that INT8 computes, and what that costs in accuracy. Ratios of signal to noise are in
// decibels: 10 log10(sum of squares in float32 / sum of squared differences from it).
struct LayerSensitivity {
  std::string layer;       // ONNX node
  std::string op;          // core operator: "Conv", "MatMul"
  std::string input;       // the value that it reads in 8 bits
  double output_snr = 0;   // of its result, where every layer is in 8 bits
  bool is_lifted = false;  // lifted_snr was measured
  double lifted_snr = 0;   // of the model's outputs, where this layer alone stays in float
};

// What a value is in float32, and where INT8 clips it.
struct ValueHistogram {
  std::string value;
  double low = 0;  // of the first bin and of the last, which are of one width
  double high = 0;
  std::vector<int64_t> counts;
  double threshold = 0;  // magnitude that elements are clipped to
  double clipped = 0;    // share of elements that are
};

struct SensitivityReport {
  double snr = 0;  // of the model's outputs, where every layer is in 8 bits
  int64_t samples = 0;
  // Those first that gain most: by lifted_snr, then by output_snr.
  std::vector<LayerSensitivity> layers;
  std::vector<ValueHistogram> histograms;  // in the order of the run
};

struct SensitivityOptions {
  BuildOptions build;    // with int8 and calibration
  int64_t samples = 32;  // the first so many of the data are run
  int most_lifted = 64;  // layers that are lifted one by one: those with the noisiest results
  bool histograms = false;
  std::function<void(std::string_view what, double fraction)> progress;
};

// Ranks the layers of a model by the error that INT8 adds. Errors: those of a build; a model that
// has QuantizeLinear, or no layer for INT8.
Result<SensitivityReport> rank_layers(const std::filesystem::path& onnx_path, const Arrays& data,
                                      const SensitivityOptions& options);
Result<SensitivityReport> rank_layers(const OnnxBytes& onnx, const Arrays& data,
                                      const SensitivityOptions& options);

struct SearchOptions {
  BuildOptions build;  // with int8 and calibration; speed is measured at its first profile's opt
  Metric metric;
  double budget = 0;  // the most that the metric may lose against float32, in its unit
  // Tried in place of build.calibration, all layers in 8 bits, where that loses too much: other
  // methods' ranges of the same data.
  std::vector<std::shared_ptr<const CalibrationTable>> other_calibrations;
  int most_trials = 16;          // plans that are evaluated, besides those of the ranking
  int64_t ranking_samples = 32;  // of SensitivityOptions::samples
  bool histograms = false;       // for the report, also where no ranking is needed
  // Of each trial: batch, samples, threads. Where it has fewer samples than the data, the mix that
  // is chosen is confirmed on all of them.
  EvaluationOptions evaluation;
  std::function<void(std::string_view what, double fraction)> progress;
};

// A mix of precisions that the search tried.
struct PrecisionTrial {
  std::string what;                 // why it was tried
  std::vector<std::string> lifted;  // layers that stay in float
  double milliseconds = 0;          // a run at the profile's opt shapes
  double speed = 1;                 // times as fast as float32
  double figure = 0;                // of the metric
  double loss = 0;                  // against float32
  bool is_within = false;           // the budget
};

struct SearchResult {
  BuiltPlan plan;
  std::string metric;
  double budget = 0;
  Accuracy accuracy;  // of the plan
  double speed = 1;   // of the plan: times as fast as float32
  // These give this plan without a search.
  std::vector<LayerPrecision> layer_precisions;
  std::shared_ptr<const CalibrationTable> calibration;
  bool is_float = false;               // INT8 did not pay: the plan has none
  int layers = 0;                      // that INT8 can compute
  std::vector<PrecisionTrial> trials;  // the first is float32
  size_t chosen = 0;                   // index into trials
  SensitivityReport sensitivity;       // its layers are empty where no ranking was needed
  double seconds = 0;
};

// Searches the fastest mix of precisions whose loss is within the budget: all layers in 8 bits;
// where that loses too much, as few as possible lifted in the order of the ranking; then, one by
// one, those put back that were not needed; at last layers that are faster in float. There always
// is an answer: float32 loses nothing. The same data and the same timing cache try the same mixes,
// but for decisions about speed, which is measured.
Result<SearchResult> search_precisions(const std::filesystem::path& onnx_path, const Arrays& data,
                                       const SearchOptions& options);
Result<SearchResult> search_precisions(const OnnxBytes& onnx, const Arrays& data,
                                       const SearchOptions& options);

// The result as one HTML file that needs nothing else: trials, the frontier of speed against
// accuracy, layers kept in float and why, histograms with their clipping points.
std::string to_html(const SearchResult& result, std::string_view model_name);

}  // namespace penstock
