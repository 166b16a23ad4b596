// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/calibration_data.h"
#include "cli/commands.h"
#include "cli/progress.h"

namespace penstock::cli {

void CalibrationFlags::add_to(CLI::App& command) {
  command.add_option(
      "--calib", data,
      "Calibration data for --int8: a .npz file, a folder of .npy files, or of images");
  command
      .add_option("--calib-method", method, "entropy, minmax, moving-average, percentile or mse")
      ->capture_default_str();
  command
      .add_option("--calib-percentile", percentile,
                  "Of --calib-method percentile: elements that are not clipped, %")
      ->capture_default_str();
  command.add_option("--calib-batch-size", batch, "Samples that calibration runs at once")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command.add_option("--calib-batches", most_batches, "The most batches to take (default: all)")
      ->check(CLI::NonNegativeNumber);
  command.add_option(
      "--calib-cache", cache,
      "File of ranges, Penstock's or TensorRT's: read where it exists, else written");
}

Result<std::shared_ptr<const CalibrationTable>> CalibrationFlags::table(const std::string& onnx,
                                                                        const BuildOptions& build,
                                                                        bool quiet) const {
  PENSTOCK_ASSIGN_OR_RETURN(const auto tables, this->tables(onnx, build, quiet, false));
  return tables.empty() ? nullptr : tables.front();
}

Result<std::vector<std::shared_ptr<const CalibrationTable>>> CalibrationFlags::tables(
    const std::string& onnx, const BuildOptions& build, bool quiet, bool all_methods) const {
  using Tables = std::vector<std::shared_ptr<const CalibrationTable>>;
  std::error_code error;
  if (!cache.empty() && std::filesystem::exists(cache, error)) {
    PENSTOCK_ASSIGN_OR_RETURN(CalibrationTable table, CalibrationTable::load(cache));
    return Tables{std::make_shared<CalibrationTable>(std::move(table))};
  }
  if (data.empty()) {
    if (cache.empty()) return Tables();
    return Status(StatusCode::kNotFound,
                  "no calibration cache at '" + cache + "'; give --calib DATA to make it");
  }
  CalibrationOptions options;
  PENSTOCK_ASSIGN_OR_RETURN(options.method, parse_calibration_method(method));
  options.percentile = percentile;
  options.most_batches = most_batches;
  options.threads = build.threads;
  if (!build.profiles.empty()) options.profile = build.profiles.front();
  options.cancelled = build.cancelled;
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto source,
      open_calibration_data(data, batch, {options.profile, build.input_contracts}));
  Progress progress("calibrate " + std::filesystem::path(onnx).filename().string(), quiet);
  options.progress = [&](std::string_view what, double fraction) {
    progress.update(what, fraction);
  };
  std::vector<CalibrationMethod> methods = {options.method};
  for (const CalibrationMethod other :
       {CalibrationMethod::kMeanSquaredError, CalibrationMethod::kMinMax,
        CalibrationMethod::kPercentile}) {
    if (all_methods && other != options.method) methods.push_back(other);
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<CalibrationTable> found,
                            calibrate_by(methods, onnx, *source, options));
  if (!cache.empty()) PENSTOCK_RETURN_IF_ERROR(found.front().save(cache));
  Tables tables;
  for (CalibrationTable& table : found) {
    tables.push_back(std::make_shared<CalibrationTable>(std::move(table)));
  }
  return tables;
}

}  // namespace penstock::cli
