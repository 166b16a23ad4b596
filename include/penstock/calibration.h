// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>
#include <penstock/status.h>
#include <penstock/tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// How the magnitude at which a value is clipped is chosen from what calibration saw of it.
enum class CalibrationMethod : uint8_t {
  kEntropy,           // least Kullback-Leibler divergence: version 2 of TensorRT's calibrators
  kMinMax,            // the largest magnitude: clips nothing
  kMovingAverage,     // of each batch's largest magnitude, the newest weighing 0.01
  kPercentile,        // of all elements that many are inside
  kMeanSquaredError,  // least squared difference
};

// "entropy", "minmax", "moving-average", "percentile", "mse".
std::string_view to_string(CalibrationMethod method);
Result<CalibrationMethod> parse_calibration_method(std::string_view name);

// What calibration found of one value of the model.
struct CalibratedRange {
  float min = 0;  // smallest and largest element seen
  float max = 0;
  float threshold = 0;  // magnitude that elements are clipped to
  bool operator==(const CalibratedRange&) const = default;
};

// The outcome of a calibration. Its cache file is text, a line a value.
struct CalibrationTable {
  std::string model;   // name of the graph; empty where the cache does not tell
  std::string method;  // as to_string(CalibrationMethod), or the first line of TensorRT's cache
  int64_t batches = 0;
  std::map<std::string, CalibratedRange, std::less<>> ranges;
  // Smallest and largest element of the model's inputs of floats.
  std::map<std::string, InputContract, std::less<>> inputs;

  // A cache in Penstock's format or in TensorRT's, whose scales say nothing of min and max: they
  // become plus and minus the threshold. Errors quote the line.
  static Result<CalibrationTable> parse(std::string_view text);
  static Result<CalibrationTable> load(const std::filesystem::path& path);
  std::string to_text() const;
  // As TensorRT 8 to 10 read it: "name: bits of the float32 threshold / 127".
  std::string to_tensorrt_text() const;
  // The file appears when it is complete.
  Status save(const std::filesystem::path& path, bool for_tensorrt = false) const;
};

// Calibration data, a batch at a time.
class CalibrationSource {
 public:
  virtual ~CalibrationSource() = default;
  // Called once, before the first batch, with the inputs of the model.
  virtual Status begin(const std::vector<TensorInfo>& inputs) {
    (void)inputs;
    return Status::ok();
  }
  // The next batch, a tensor for each input of the model; nothing at the end.
  virtual Result<std::optional<std::map<std::string, Tensor>>> next() = 0;
  // How many batches there are, where that is known: for the display of progress.
  virtual std::optional<int64_t> batch_count() const { return std::nullopt; }
};

struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::kEntropy;
  double percentile = 99.99;  // of kPercentile
  int64_t most_batches = 0;   // 0: all
  int threads = 0;            // 0: all processors
  // The shapes of the batches, where they are not free: as for the build.
  OptimizationProfile profile;
  std::function<void(std::string_view what, double fraction)> progress;
  std::function<bool()> cancelled;
};

// Runs the model in float32 on the CPU and watches every value that INT8 may store. Errors name the
// value or the batch: no batches, wrong shapes, elements that are NaN or infinite.
Result<CalibrationTable> calibrate(const std::filesystem::path& onnx_path,
                                   CalibrationSource& source,
                                   const CalibrationOptions& options = {});
Result<CalibrationTable> calibrate(const OnnxBytes& onnx, CalibrationSource& source,
                                   const CalibrationOptions& options = {});

// The same by several methods in place of the options', from one run over the data: a table for
// each, in their order.
Result<std::vector<CalibrationTable>> calibrate_by(const std::vector<CalibrationMethod>& methods,
                                                   const std::filesystem::path& onnx_path,
                                                   CalibrationSource& source,
                                                   const CalibrationOptions& options = {});
Result<std::vector<CalibrationTable>> calibrate_by(const std::vector<CalibrationMethod>& methods,
                                                   const OnnxBytes& onnx, CalibrationSource& source,
                                                   const CalibrationOptions& options = {});

}  // namespace penstock
