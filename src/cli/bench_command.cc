// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>

#include <memory>

#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/shapes.h"

namespace penstock::cli {
namespace {

struct BenchArguments {
  std::string model;
  std::vector<std::string> inputs;
  std::string shapes;
  BuildFlags build;
  BenchSettings settings;
  BenchExports exports;
  bool dump_profile = false;
  uint64_t seed = 0;
};

Status run_bench(BenchArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(const PlanSource source,
                            PlanSource::open(arguments.model, arguments.build));
  const auto begin = std::chrono::steady_clock::now();
  PENSTOCK_ASSIGN_OR_RETURN(
      const Engine engine,
      Engine::load(source.path(), {arguments.build.device, arguments.build.memory_limit}));
  PENSTOCK_ASSIGN_OR_RETURN(const auto shapes, parse_shapes(arguments.shapes));
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto inputs,
      make_inputs(engine, arguments.inputs, shapes, arguments.seed, arguments.settings.profile));
  warn_of_inputs(engine, {inputs.begin(), inputs.end()});
  const double load_ms = milliseconds_since(begin);
  arguments.settings.threads =
      arguments.build.threads == 0 ? engine.threads() : arguments.build.threads;
  PENSTOCK_ASSIGN_OR_RETURN(const BenchResult result, bench(engine, inputs, arguments.settings));
  print_summary(result, arguments.settings, load_ms, engine.load_report());
  if (arguments.dump_profile || !arguments.exports.profile.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<LayerTime> layers,
                              profile_layers(engine, inputs, arguments.settings));
    if (arguments.dump_profile) print_profile(layers);
    PENSTOCK_RETURN_IF_ERROR(export_profile(layers, arguments.exports.profile));
  }
  PENSTOCK_RETURN_IF_ERROR(export_times(result, arguments.exports.times));
  return export_output(engine, inputs, arguments.settings, arguments.exports.output);
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* command = app.add_subcommand(
      "bench", "Measure a plan (or a model, built first) with trtexec's summary");
  command->add_option("model", arguments->model, "MODEL.plan or MODEL.onnx")->required();
  command->add_option("--shapes", arguments->shapes,
                      "Input shapes: NAME:1x3x224x224[,...] (default: opt)");
  command->add_option("--input,--loadInputs", arguments->inputs, "NAME=FILE.npy or NAME=random");
  BenchSettings& settings = arguments->settings;
  command
      ->add_option("--use-profile,--useProfile", settings.profile,
                   "Number of the profile to run under (default: the first that the shapes fit)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--iterations", settings.iterations, "At least this many runs")
      ->capture_default_str();
  command->add_option("--duration", settings.duration_s, "At least this many seconds")
      ->capture_default_str();
  command->add_option("--warmup,--warmUp", settings.warmup_ms, "Milliseconds of runs not counted")
      ->capture_default_str();
  command
      ->add_option("--streams,--infStreams", settings.streams,
                   "Contexts side by side, each on its stream")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--avg-runs,--avgRuns", settings.average_runs, "Runs per line of trace details")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--percentile", settings.percentiles, "Percentiles to report")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--sleep-time,--sleepTime", settings.sleep_ms, "Milliseconds between runs");
  command->add_flag("--wait-each", settings.wait_each,
                    "Wait for each run before the next is enqueued: latency as a caller sees it");
  command->add_flag("--no-data-transfers,--noDataTransfers", settings.no_transfers,
                    "Keep inputs and outputs in the memory of the GPU");
  command->add_flag("--dump-profile,--dumpProfile", arguments->dump_profile,
                    "Print the time of each layer");
  command->add_option("--export-times,--exportTimes", arguments->exports.times,
                      "JSON file of every run");
  command->add_option("--export-profile,--exportProfile", arguments->exports.profile,
                      "JSON file of each layer's time");
  command->add_option("--export-output,--exportOutput", arguments->exports.output,
                      "JSON file of the outputs");
  command->add_option("--seed", arguments->seed, "Seed of random inputs");
  arguments->build.add_to(*command);
  command->callback([arguments, &exit_code] {
    const Status status = run_bench(*arguments);
    exit_code = status.is_ok() ? 0 : report(status);
  });
}

}  // namespace penstock::cli
