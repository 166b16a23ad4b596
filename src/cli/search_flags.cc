// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/precision_search.h>

#include "base/new_file.h"
#include "cli/commands.h"
#include "cli/progress.h"

namespace penstock::cli {
namespace {

Status write_text(const std::filesystem::path& path, const std::string& text) {
  NewFile file(path);
  file.write(text.data(), text.size());
  return file.commit();
}

// Found before minutes of searching are spent.
Status check_writable(const std::filesystem::path& path) {
  if (path.empty()) return Status::ok();
  return NewFile(path).status();
}

// As --layer-precisions takes them.
std::string rules_text(const std::vector<LayerPrecision>& rules) {
  std::string text;
  for (const LayerPrecision& rule : rules) {
    const bool is_int8 = rule.precision == DataType::kInt8;
    text += (text.empty() ? "" : ",") + rule.layers + (is_int8 ? ":int8" : ":fp32");
  }
  return text;
}

void print_result(const std::string& plan, const SearchResult& result, const Metric& metric) {
  for (size_t i = 0; i < result.trials.size(); ++i) {
    const PrecisionTrial& trial = result.trials[i];
    fmt::print("{} {:<8} {:.2f}x float32, {:8.3f} ms, {}, lost {}: {}\n",
               i == result.chosen ? ">" : " ", trial.is_within ? "within" : "over", trial.speed,
               trial.milliseconds, figure_text(metric, trial.figure), loss_text(metric, trial.loss),
               trial.what);
  }
  if (result.is_float) {
    fmt::print(
        "{}: no mix with INT8 within {} was faster than float32: the plan is in float32; "
        "{:.0f} s\n",
        plan, loss_text(metric, result.budget), result.seconds);
    return;
  }
  fmt::print(
      "{}: {} of {} layers in INT8, calibration {}; {} lost of {}; {:.2f} times as fast as "
      "float32; {:.0f} s\n",
      plan, static_cast<size_t>(result.layers) - result.trials[result.chosen].lifted.size(),
      result.layers, result.calibration->method, loss_text(metric, result.accuracy.loss),
      loss_text(metric, result.budget), result.speed, result.seconds);
  if (!result.layer_precisions.empty()) {
    fmt::print("without a search: --layer-precisions '{}'\n", rules_text(result.layer_precisions));
  }
}

}  // namespace

void SearchFlags::add_to(CLI::App& command) {
  command.add_option("--accuracy-budget", budget,
                     "With --int8: search the fastest mix of precisions that loses no more against "
                     "float32: METRIC<=LOSS, such as top1<=0.3");
  command.add_option("--accuracy-data", data,
                     "Labelled data that the budget is for: a .npz file or a folder of .npy files");
  command.add_option("--report", report, "Write what the search found as one HTML file");
  command.add_option("--search-trials", most_trials, "The most mixes to build and evaluate")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--search-samples", ranking_samples, "Samples that layers are ranked on")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  metric.add_to(command);
}

Status SearchFlags::check(const BuildFlags& build) const {
  const auto wrong = [](std::string message) {
    return Status(StatusCode::kInvalidArgument, std::move(message));
  };
  if (budget.empty() && !data.empty()) {
    return wrong("--accuracy-data without --accuracy-budget: give one, such as top1<=0.3");
  }
  if (budget.empty() && !report.empty()) {
    return wrong("--report without --accuracy-budget: it tells what a search found");
  }
  if (budget.empty()) return Status::ok();
  if (data.empty()) return wrong("--accuracy-budget without --accuracy-data: give labelled data");
  const bool is_int8 = build.int8 || (build.best && build.calibration.is_given());
  if (!is_int8) return wrong("--accuracy-budget without --int8: there is nothing to choose");
  return Status::ok();
}

Status search_with_progress(const std::string& onnx, const std::string& plan, BuildOptions options,
                            const CalibrationFlags& calibration, const SearchFlags& search,
                            bool quiet) {
  catch_interrupts();
  options.cancelled = interrupted;
  PENSTOCK_RETURN_IF_ERROR(check_writable(plan));
  PENSTOCK_RETURN_IF_ERROR(check_writable(search.report));
  SearchOptions asked;
  PENSTOCK_ASSIGN_OR_RETURN(const AccuracyBudget budget, parse_accuracy_budget(search.budget));
  PENSTOCK_ASSIGN_OR_RETURN(asked.metric, find_metric(budget.metric, search.metric.options));
  PENSTOCK_ASSIGN_OR_RETURN(const Arrays data, read_arrays(search.data));
  PENSTOCK_ASSIGN_OR_RETURN(auto tables, calibration.tables(onnx, options, quiet, true));
  if (!tables.empty()) {
    options.calibration = tables.front();
    asked.other_calibrations.assign(tables.begin() + 1, tables.end());
  }
  asked.build = std::move(options);
  asked.budget = budget.loss;
  asked.most_trials = search.most_trials;
  asked.ranking_samples = search.ranking_samples;
  asked.histograms = !search.report.empty();
  asked.evaluation.batch = search.metric.batch;
  asked.evaluation.most_samples = search.metric.samples;
  const std::string name = std::filesystem::path(onnx).filename().string();
  const auto run = [&] {
    Progress progress("search " + name, quiet);
    asked.progress = [&](std::string_view what, double fraction) {
      progress.update(what, fraction);
    };
    return search_precisions(onnx, data, asked);
  };
  PENSTOCK_ASSIGN_OR_RETURN(const SearchResult result, run());
  PENSTOCK_RETURN_IF_ERROR(result.plan.plan.save(plan));
  if (!search.report.empty()) {
    PENSTOCK_RETURN_IF_ERROR(write_text(search.report, to_html(result, name)));
  }
  if (!calibration.cache.empty() && result.calibration != nullptr &&
      result.calibration != asked.build.calibration) {
    PENSTOCK_RETURN_IF_ERROR(result.calibration->save(calibration.cache));
  }
  print_result(plan, result, asked.metric);
  return Status::ok();
}

}  // namespace penstock::cli
