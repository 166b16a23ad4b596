// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/progress.h"

namespace penstock::cli {
namespace {

struct AccuracyArguments {
  std::string model;
  std::string against;
  std::string data;
  std::string metric = "top1";
  std::string budget;
  bool json = false;
  MetricFlags flags;
  BuildFlags build;
};

bool is_model(const std::string& path) {
  return std::filesystem::path(path).extension() == ".onnx";
}

// In float32, for the same shapes.
BuildFlags in_floats(BuildFlags flags) {
  flags.fp16 = flags.bf16 = flags.best = flags.tf32 = flags.int8 = false;
  flags.layer_precisions.clear();
  return flags;
}

Result<Engine> open(const std::string& path, const BuildFlags& flags) {
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource plan, PlanSource::open(path, flags));
  return Engine::load(plan.path(), {flags.device, flags.memory_limit});
}

// What to compare with: as asked; else, of a model that is built with less than float32, float32.
std::string reference_of(const AccuracyArguments& arguments) {
  const BuildFlags& flags = arguments.build;
  const bool is_lower = flags.int8 || flags.fp16 || flags.bf16 || flags.best || flags.tf32;
  if (!arguments.against.empty()) return arguments.against;
  return is_model(arguments.model) && is_lower ? arguments.model : "";
}

Result<Accuracy> evaluate(const AccuracyArguments& arguments, const Metric& metric) {
  PENSTOCK_ASSIGN_OR_RETURN(const Arrays data, read_arrays(arguments.data));
  const std::string against = reference_of(arguments);
  if (against.empty() && metric.needs_reference) {
    return Status(StatusCode::kInvalidArgument,
                  "metric '" + metric.name +
                      "' compares two plans: give --against PLAN, or --against MODEL.onnx for its "
                      "build in float32");
  }
  catch_interrupts();
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, open(arguments.model, arguments.build));
  std::optional<Engine> reference;
  if (!against.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(reference, open(against, in_floats(arguments.build)));
  }
  EvaluationOptions options;
  options.batch = arguments.flags.batch;
  options.most_samples = arguments.flags.samples;
  options.threads = arguments.build.threads;
  options.cancelled = interrupted;
  Progress progress("accuracy", arguments.json);
  options.progress = [&](std::string_view, double fraction) { progress.update("run", fraction); };
  return evaluate_accuracy(engine, reference ? &*reference : nullptr, data, metric, options);
}

void print_json(const Accuracy& accuracy) {
  nlohmann::json facts = {
      {"metric", accuracy.metric}, {"figure", accuracy.figure}, {"samples", accuracy.samples}};
  if (accuracy.has_reference) {
    facts["reference"] = accuracy.reference;
    facts["loss"] = accuracy.loss;
  }
  fmt::print("{}\n", facts.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

Result<bool> check(const AccuracyArguments& arguments) {
  AccuracyBudget budget;
  std::string name = arguments.metric;
  if (!arguments.budget.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(budget, parse_accuracy_budget(arguments.budget));
    name = budget.metric;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Metric metric, find_metric(name, arguments.flags.options));
  if (!arguments.budget.empty() && reference_of(arguments).empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "a budget is of what is lost against another plan: give --against PLAN, or "
                  "--against MODEL.onnx for its build in float32");
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Accuracy accuracy, evaluate(arguments, metric));
  const bool is_within = arguments.budget.empty() || accuracy.loss <= budget.loss;
  if (arguments.json) {
    print_json(accuracy);
    return is_within;
  }
  fmt::print("{} {} of {} samples", accuracy.metric, figure_text(metric, accuracy.figure),
             accuracy.samples);
  if (accuracy.has_reference) {
    fmt::print("; reference {}; lost {}", figure_text(metric, accuracy.reference),
               loss_text(metric, accuracy.loss));
  }
  if (!arguments.budget.empty()) {
    fmt::print("; {} the budget of {}", is_within ? "within" : "OVER",
               loss_text(metric, budget.loss));
  }
  fmt::print("\n");
  return is_within;
}

int run_accuracy(const AccuracyArguments& arguments) {
  const Result<bool> is_within = check(arguments);
  if (!is_within.is_ok()) return report(is_within.status());
  return *is_within ? 0 : 1;
}

}  // namespace

std::string figure_text(const Metric& metric, double figure) {
  return metric.is_percentage ? fmt::format("{:.2f} %", figure) : fmt::format("{:.5f}", figure);
}

std::string loss_text(const Metric& metric, double loss) {
  return metric.is_percentage ? fmt::format("{:.2f} points", loss) : fmt::format("{:.5f}", loss);
}

void add_accuracy_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<AccuracyArguments>();
  CLI::App* command = app.add_subcommand(
      "accuracy", "Evaluate a plan on labelled data, also against float32 or another plan");
  command->add_option("model", arguments->model, "MODEL.plan, or MODEL.onnx, which is built first")
      ->required();
  command
      ->add_option("--data", arguments->data,
                   "A .npz file, or a folder of .npy files: inputs by name, and labels")
      ->required();
  command
      ->add_option("--metric", arguments->metric,
                   "top1, top5, auc, f1, exact_match, cosine or max_error")
      ->capture_default_str();
  command->add_option("--against", arguments->against,
                      "A plan to compare with, or MODEL.onnx for its build in float32");
  command->add_option("--budget", arguments->budget,
                      "A metric and the most it may lose, such as top1<=0.3: exit code 1 above");
  command->add_flag("--json", arguments->json, "The figures as JSON");
  arguments->flags.add_to(*command);
  arguments->build.add_to(*command);
  command->callback([arguments, &exit_code] { exit_code = run_accuracy(*arguments); });
}

}  // namespace penstock::cli
