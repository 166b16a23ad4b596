// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/calibration.h>
#include <penstock/context.h>
#include <penstock/engine.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/memory_guard.h"
#include "compiler/model.h"
#include "ir/layout.h"
#include "passes/pipeline.h"
#include "quantize/layers.h"
#include "quantize/observation.h"
#include "quantize/thresholds.h"

namespace penstock {
namespace {

using compiler::Model;
using compiler::model_of;
using Batch = std::map<std::string, Tensor>;
using Observations = std::unordered_map<std::string, quantize::Observation>;

// The values whose ranges matter: names are those that a build sees before it fuses.
Result<Observations> values_to_watch(const Model& model, const CalibrationOptions& options,
                                     std::string& name) {
  Result<ir::Graph> graph = compiler::import_for(model, {options.profile});
  PENSTOCK_RETURN_IF_ERROR(graph.status());
  passes::PipelineOptions pipeline;
  pipeline.fuse = false;
  PENSTOCK_RETURN_IF_ERROR(passes::run_pipeline(*graph, pipeline));
  name = graph->name;
  Observations watched;
  for (const ir::Value* value : quantize::watched_values(*graph)) watched[value->name];
  if (!watched.empty()) return watched;
  return Status(StatusCode::kInvalidArgument,
                "the model has no convolution and no product with constant weights: there is "
                "nothing that INT8 would compute");
}

// Takes in one value of one batch.
Status observe(const std::string& value, std::span<const float> elements, int64_t batch,
               quantize::Observation& seen) {
  if (seen.add(elements)) return Status::ok();
  const int64_t at = quantize::first_not_finite(elements);
  return {
      StatusCode::kInvalidArgument,
      fmt::format("calibration batch {}: element {} of value '{}' is {}: such data has no range",
                  batch, at, value, elements[at])};
}

class Calibration {
 public:
  Calibration(Observations watched, const CalibrationOptions& options)
      : watched_(std::move(watched)), options_(options) {}

  Status run(const Engine& engine, CalibrationSource& source) {
    PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
    PENSTOCK_RETURN_IF_ERROR(source.begin(engine.inputs()));
    Status seen;
    context.set_step_observer([&](std::string_view value, DataType dtype, const Shape& shape,
                                  std::string_view layout, const void* data) {
      const auto it = watched_.find(std::string(value));
      // A reorder writes the same value once more.
      if (it == watched_.end() || !fresh_.insert(it->first).second || !seen.is_ok()) return;
      const ir::Layout parsed = ir::parse_layout(layout).value_or(ir::Layout::kPlain);
      const size_t count = ir::storage_bytes(dtype, shape, parsed) / sizeof(float);
      seen = observe(it->first, {static_cast<const float*>(data), count}, batches_, it->second);
    });
    while (options_.most_batches == 0 || batches_ < options_.most_batches) {
      if (options_.cancelled && options_.cancelled()) {
        return {StatusCode::kCancelled,
                fmt::format("calibration was cancelled after {} batches", batches_)};
      }
      PENSTOCK_ASSIGN_OR_RETURN(const std::optional<Batch> batch, source.next());
      if (!batch) break;
      fresh_.clear();
      PENSTOCK_RETURN_IF_ERROR(observe_inputs(*batch));
      const auto outputs = context.run(*batch);
      const std::string where = fmt::format("calibration batch {}", batches_);
      PENSTOCK_RETURN_IF_ERROR(outputs.status().with_context(where));
      PENSTOCK_RETURN_IF_ERROR(seen);
      ++batches_;
      tell_progress(source);
    }
    if (batches_ > 0) return Status::ok();
    return {StatusCode::kInvalidArgument, "the calibration data has no batch"};
  }

  CalibrationTable table(std::string model) const {
    CalibrationTable table;
    table.model = std::move(model);
    table.method = to_string(options_.method);
    table.batches = batches_;
    table.inputs = inputs_;
    for (const auto& [name, seen] : watched_) {
      if (seen.is_empty()) continue;  // in a branch that no batch took
      const double threshold =
          quantize::choose_threshold(seen, options_.method, options_.percentile);
      table.ranges[name] = {seen.min(), seen.max(), static_cast<float>(threshold)};
    }
    return table;
  }

 private:
  Status observe_inputs(const Batch& batch) {
    for (const auto& [name, tensor] : batch) {
      if (tensor.dtype() == DataType::kFloat32) see_range(name, tensor.as<float>());
      const auto it = watched_.find(name);
      if (it == watched_.end() || tensor.dtype() != DataType::kFloat32) continue;
      fresh_.insert(name);
      PENSTOCK_RETURN_IF_ERROR(observe(name, tensor.as<float>(), batches_, it->second));
    }
    return Status::ok();
  }

  void see_range(const std::string& input, std::span<const float> elements) {
    if (elements.empty()) return;
    const auto [min, max] = std::minmax_element(elements.begin(), elements.end());
    const InputContract seen = {*min, *max, InputContract::Source::kCalibration, {}, {}};
    const auto [known, is_first] = inputs_.emplace(input, seen);
    if (is_first) return;
    known->second.min = std::min(known->second.min, seen.min);
    known->second.max = std::max(known->second.max, seen.max);
  }

  void tell_progress(const CalibrationSource& source) const {
    if (!options_.progress) return;
    int64_t count = source.batch_count().value_or(0);
    if (options_.most_batches > 0) {
      count = count > 0 ? std::min(count, options_.most_batches) : options_.most_batches;
    }
    const double fraction =
        count > 0 ? static_cast<double>(batches_) / static_cast<double>(count) : 0.5;
    options_.progress(fmt::format("batch {}", batches_), std::min(fraction, 1.0));
  }

  Observations watched_;
  std::map<std::string, InputContract, std::less<>> inputs_;
  const CalibrationOptions& options_;
  std::unordered_set<std::string> fresh_;  // values that this batch has shown
  int64_t batches_ = 0;
};

// Batches may be smaller and larger than those to build for, the last one above all. What has one
// axis may be a shape, whose values are no such limits.
OptimizationProfile without_limits(OptimizationProfile profile) {
  for (auto& [name, range] : profile.inputs) {
    if (range.opt.size() < 2) continue;
    range.min.clear();
    range.max.clear();
  }
  return profile;
}

Status check_options(const CalibrationOptions& options) {
  if (!(options.percentile > 0 && options.percentile <= 100)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("percentile {}; give a number above 0 and up to 100", options.percentile)};
  }
  if (options.most_batches < 0) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format("at most {} calibration batches; give 0 (all) or more", options.most_batches)};
  }
  return Status::ok();
}

// A table for each method, from one run over the data.
Result<std::vector<CalibrationTable>> calibrate_model(
    const Model& model, CalibrationSource& source, const CalibrationOptions& asked,
    const std::vector<CalibrationMethod>& methods) {
  CalibrationOptions options = asked;
  PENSTOCK_RETURN_IF_ERROR(check_options(options));
  if (options.progress) options.progress("prepare", 0);
  std::string name;
  PENSTOCK_ASSIGN_OR_RETURN(Observations watched, values_to_watch(model, options, name));
  BuildOptions build;
  build.device = "cpu";
  build.threads = options.threads;
  build.optimization_level = 0;  // the same kernels on every run: the same ranges
  build.fuse = false;
  build.profile = without_limits(options.profile);
  build.cancelled = options.cancelled;
  PENSTOCK_ASSIGN_OR_RETURN(const BuiltPlan plan, model.build(build));
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, Engine::deserialize(plan.plan, {"cpu"}));
  Calibration calibration(std::move(watched), options);
  PENSTOCK_RETURN_IF_ERROR(calibration.run(engine, source));
  if (options.progress) options.progress("choose thresholds", 1);
  std::vector<CalibrationTable> tables;
  for (const CalibrationMethod method : methods) {
    options.method = method;
    tables.push_back(calibration.table(name));
  }
  return tables;
}

constexpr std::string_view kGuarded = "the calibration of this model";

Result<std::vector<CalibrationTable>> guarded(const Model& model, CalibrationSource& source,
                                              const CalibrationOptions& options,
                                              const std::vector<CalibrationMethod>& methods) {
  return guard_memory(kGuarded, [&] { return calibrate_model(model, source, options, methods); });
}

Result<CalibrationTable> only(Result<std::vector<CalibrationTable>> tables) {
  PENSTOCK_RETURN_IF_ERROR(tables.status());
  return std::move(tables->front());
}

}  // namespace

Result<CalibrationTable> calibrate(const std::filesystem::path& onnx_path,
                                   CalibrationSource& source, const CalibrationOptions& options) {
  return only(guarded(model_of(onnx_path), source, options, {options.method}));
}

Result<CalibrationTable> calibrate(const OnnxBytes& onnx, CalibrationSource& source,
                                   const CalibrationOptions& options) {
  return only(guarded(model_of(onnx), source, options, {options.method}));
}

Result<std::vector<CalibrationTable>> calibrate_by(const std::vector<CalibrationMethod>& methods,
                                                   const std::filesystem::path& onnx_path,
                                                   CalibrationSource& source,
                                                   const CalibrationOptions& options) {
  return guarded(model_of(onnx_path), source, options, methods);
}

Result<std::vector<CalibrationTable>> calibrate_by(const std::vector<CalibrationMethod>& methods,
                                                   const OnnxBytes& onnx, CalibrationSource& source,
                                                   const CalibrationOptions& options) {
  return guarded(model_of(onnx), source, options, methods);
}

}  // namespace penstock
