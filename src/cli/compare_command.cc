// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/diagnostics.h>
#include <penstock/precision_search.h>

#include <memory>

#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/progress.h"
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
  std::string data;  // layers are ranked on
  int64_t samples = 32;
  int most_lifted = 64;
  BuildFlags build;
};

Result<PlanSource> reference_plan(const CompareArguments& arguments) {
  BuildFlags flags = arguments.build;
  flags.tactic_sources = {"reference"};
  flags.level = 0;
  flags.device = "cpu";
  flags.int8 = flags.int8 || (flags.best && flags.calibration.is_given());
  flags.fp16 = flags.bf16 = flags.best = false;
  flags.timing_cache.clear();
  return PlanSource::open(arguments.onnx, flags);
}

Result<std::vector<LayerError>> compare_layers(const CompareArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource tuned_plan,
                            PlanSource::open(arguments.onnx, arguments.build));
  PENSTOCK_ASSIGN_OR_RETURN(
      const Engine tuned,
      Engine::load(tuned_plan.path(), {arguments.build.device, arguments.build.memory_limit}));
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource plain_plan, reference_plan(arguments));
  PENSTOCK_ASSIGN_OR_RETURN(const Engine reference, Engine::load(plain_plan.path()));
  PENSTOCK_ASSIGN_OR_RETURN(const auto shapes, parse_shapes(arguments.shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto inputs, make_inputs(tuned, arguments.inputs, shapes,
                                                           arguments.seed, kAutomaticProfile));
  return penstock::compare_layers(tuned, reference, inputs);
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

Result<SensitivityReport> rank(const CompareArguments& arguments) {
  SensitivityOptions options;
  PENSTOCK_ASSIGN_OR_RETURN(options.build, arguments.build.options());
  if (!options.build.int8) {
    return Status(StatusCode::kInvalidArgument,
                  "--data ranks layers by what INT8 does to them: give --int8 and --calib too");
  }
  catch_interrupts();
  options.build.cancelled = interrupted;
  PENSTOCK_ASSIGN_OR_RETURN(options.build.calibration, arguments.build.calibration.table(
                                                           arguments.onnx, options.build, false));
  PENSTOCK_ASSIGN_OR_RETURN(const Arrays data, read_arrays(arguments.data));
  options.samples = arguments.samples;
  options.most_lifted = arguments.most_lifted;
  Progress progress("rank the layers of " +
                    std::filesystem::path(arguments.onnx).filename().string());
  options.progress = [&](std::string_view what, double fraction) {
    progress.update(what, fraction);
  };
  return rank_layers(arguments.onnx, data, options);
}

int run_ranking(const CompareArguments& arguments) {
  const Result<SensitivityReport> ranked = rank(arguments);
  if (!ranked.is_ok()) return report(ranked.status());
  fmt::print(
      "signal to noise of the outputs, all {} layers in INT8, {} samples: {:.1f} dB\n"
      "lifted: of the outputs with that layer alone in float; result: of the layer, all in INT8\n\n"
      "{:>10} {:>8} {:>10}  {:<8} layer\n",
      ranked->layers.size(), ranked->samples, ranked->snr, "lifted", "gain", "result", "operator");
  for (const LayerSensitivity& layer : ranked->layers) {
    const std::string lifted = layer.is_lifted ? fmt::format("{:.2f} dB", layer.lifted_snr) : "-";
    const std::string gain =
        layer.is_lifted ? fmt::format("{:+.2f}", layer.lifted_snr - ranked->snr) : "-";
    fmt::print("{:>10} {:>8} {:>7.1f} dB  {:<8} {}\n", lifted, gain, layer.output_snr, layer.op,
               layer.layer);
  }
  return 0;
}

}  // namespace

void add_compare_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand(
      "compare",
      "Run the tuned plan beside the reference kernels and name the first layer that differs; or "
      "rank layers by the error that INT8 adds");
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
  command->add_option(
      "--data", arguments->data,
      "With --int8: rank the layers by the error that INT8 adds on these samples, a "
      ".npz file or a folder of .npy files");
  command->add_option("--samples", arguments->samples, "Of --data: the first so many")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command
      ->add_option("--lift", arguments->most_lifted,
                   "Layers to lift one by one, those with the noisiest results")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([arguments, &exit_code] {
    exit_code = arguments->data.empty() ? run_compare(*arguments) : run_ranking(*arguments);
  });
}

}  // namespace penstock::cli
