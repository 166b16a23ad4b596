// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>

#include <cmath>
#include <memory>

#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/layout_reader.h"
#include "cli/shapes.h"

namespace penstock::cli {
namespace {

struct CompareArguments {
  std::string onnx;
  std::vector<std::string> inputs;
  std::string shapes;
  double tolerance = 1e-4;
  bool all = false;
  uint64_t seed = 0;
  BuildFlags build;
};

// What a value was: row-major floats, or widened integers.
using Recording = std::map<std::string, std::vector<double>>;

struct LayerError {
  std::string value;
  double error = 0;  // largest absolute difference / largest absolute reference value
  bool comparable = true;
};

Result<Recording> record(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                         std::vector<std::string>* order) {
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
  Recording recording;
  context.set_step_observer([&](std::string_view value, DataType dtype, const Shape& shape,
                                std::string_view layout, const void* data) {
    // Reorders write the same value once more, as "name@layout".
    if (recording.count(std::string(value)) != 0) return;
    recording[std::string(value)] = read_row_major(dtype, shape, layout, data);
    if (order != nullptr) order->push_back(std::string(value));
  });
  PENSTOCK_ASSIGN_OR_RETURN(const auto outputs, context.run(inputs));
  return recording;
}

LayerError compare_value(const std::string& name, const std::vector<double>& tuned,
                         const std::vector<double>& reference) {
  LayerError result{name, 0, tuned.size() == reference.size()};
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; result.comparable && i < tuned.size(); ++i) {
    if (std::isnan(reference[i]) && std::isnan(tuned[i])) continue;
    if (reference[i] == tuned[i]) continue;
    difference = std::max(difference, std::abs(tuned[i] - reference[i]));
    if (std::isnan(tuned[i]) != std::isnan(reference[i])) difference = INFINITY;
  }
  for (double value : reference) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  result.error = difference == 0 ? 0 : difference / std::max(largest, 1e-12);
  return result;
}

Result<PlanSource> reference_plan(const CompareArguments& arguments) {
  BuildFlags flags = arguments.build;
  flags.tactic_sources = {"reference"};
  flags.level = 0;
  flags.timing_cache.clear();
  return PlanSource::open(arguments.onnx, flags);
}

Result<std::vector<LayerError>> compare_layers(const CompareArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource tuned_plan,
                            PlanSource::open(arguments.onnx, arguments.build));
  PENSTOCK_ASSIGN_OR_RETURN(const Engine tuned, Engine::load(tuned_plan.path()));
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource plain_plan, reference_plan(arguments));
  PENSTOCK_ASSIGN_OR_RETURN(const Engine reference, Engine::load(plain_plan.path()));
  PENSTOCK_ASSIGN_OR_RETURN(const auto shapes, parse_shapes(arguments.shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto inputs,
                            make_inputs(tuned, arguments.inputs, shapes, arguments.seed));
  std::vector<std::string> order;
  PENSTOCK_ASSIGN_OR_RETURN(const Recording tuned_values, record(tuned, inputs, &order));
  PENSTOCK_ASSIGN_OR_RETURN(const Recording reference_values, record(reference, inputs, nullptr));
  std::vector<LayerError> errors;
  for (const std::string& value : order) {
    const auto it = reference_values.find(value);
    if (it == reference_values.end()) continue;
    errors.push_back(compare_value(value, tuned_values.at(value), it->second));
  }
  return errors;
}

int run_compare(const CompareArguments& arguments) {
  const Result<std::vector<LayerError>> errors = compare_layers(arguments);
  if (!errors.is_ok()) return report(errors.status());
  const LayerError* first = nullptr;
  double worst = 0;
  for (const LayerError& layer : *errors) {
    const bool over = !layer.comparable || !(layer.error <= arguments.tolerance);
    if (over && first == nullptr) first = &layer;
    worst = std::max(worst, layer.error);
    if (arguments.all || over) {
      fmt::print("{:<9} {:<12.3g} {}\n", over ? "OVER" : "ok", layer.error,
                 layer.value + (layer.comparable ? "" : " (shapes differ)"));
    }
  }
  if (first == nullptr) {
    fmt::print(
        "all {} layers agree with the reference kernels: worst error {:.3g} of the largest value, "
        "tolerance {:g}\n",
        errors->size(), worst, arguments.tolerance);
    return 0;
  }
  fmt::print("first layer over the tolerance of {:g}: '{}' with {:.3g}\n", arguments.tolerance,
             first->value, first->error);
  return 1;
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand(
      "compare",
      "Run the tuned plan beside the reference kernels and name the first layer that differs");
  command->add_option("model", arguments->onnx, "MODEL.onnx")->required();
  command->add_option("--input,-i", arguments->inputs, "NAME=FILE.npy or NAME=random");
  command->add_option("--shapes", arguments->shapes,
                      "Shapes of random inputs: NAME:1x3x224x224[,...]");
  command
      ->add_option("--tolerance", arguments->tolerance,
                   "Largest error, relative to each layer's largest value")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("-a,--all", arguments->all, "Print every layer");
  command->add_option("--seed", arguments->seed, "Seed of random inputs");
  arguments->build.add_to(*command);
  command->callback([arguments, &exit_code] { exit_code = run_compare(*arguments); });
}

}  // namespace penstock::cli
