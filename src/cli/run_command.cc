// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>

#include <memory>

#include "cli/commands.h"
#include "cli/inputs.h"
#include "cli/shapes.h"
#include "cli/values.h"

namespace penstock::cli {
namespace {

struct RunArguments {
  std::string plan;
  std::vector<std::string> inputs;
  std::string shapes;
  std::string output_dir;
  EngineOptions engine = {"auto", 0};
  ContextOptions context;
  double max_memory_mib = 0;
  uint64_t seed = 0;
};

Status run_plan(const RunArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, Engine::load(arguments.plan, arguments.engine));
  PENSTOCK_ASSIGN_OR_RETURN(const auto shapes, parse_shapes(arguments.shapes));
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto inputs,
      make_values(engine, arguments.inputs, shapes, arguments.seed, arguments.context.profile));
  warn_of_inputs(engine, inputs);
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context(arguments.context));
  PENSTOCK_ASSIGN_OR_RETURN(const auto outputs, context.run_values(inputs));
  if (!arguments.output_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(arguments.output_dir, error);
    if (error) {
      return {StatusCode::kIoError,
              "cannot make folder '" + arguments.output_dir + "': " + error.message()};
    }
  }
  for (const auto& [name, value] : outputs) {
    std::string written;
    if (!arguments.output_dir.empty()) {
      PENSTOCK_ASSIGN_OR_RETURN(written, write_value(arguments.output_dir, name, value));
      if (!written.empty()) written = " -> " + written;
    }
    fmt::print("{}: {}{}\n", name, describe_value(value), written);
  }
  return Status::ok();
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run", "Run a plan once on given or random inputs");
  command->add_option("plan", arguments->plan, "MODEL.plan")->required();
  command->add_option(
      "--input,-i", arguments->inputs,
      "NAME=FILE.npy, NAME=FOLDER for a sequence, NAME=none for an empty optional or "
      "NAME=random; inputs not named are random");
  command->add_option("--shapes", arguments->shapes,
                      "Shapes of random inputs: NAME:1x3x224x224[,...]");
  command
      ->add_option("--use-profile,--useProfile", arguments->context.profile,
                   "Number of the profile to run under (default: the first that the shapes fit)")
      ->check(CLI::NonNegativeNumber);
  add_memory_limit(*command, arguments->engine.memory_limit_bytes);
  command->add_option("--device", arguments->engine.device,
                      "cuda:N for a plan that was built for a GPU (default: auto, the first)");
  command->add_option("--output-dir,-o", arguments->output_dir,
                      "Folder for the outputs as .npy files, sequences as folders of them");
  command
      ->add_option("--threads", arguments->context.threads,
                   "Threads; 0: as many as the plan was tuned for")
      ->check(CLI::Range(0, 1024));
  command
      ->add_option("--max-loop-iterations", arguments->context.max_loop_iterations,
                   "Most iterations of the model's loops in one run; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--max-memory", arguments->max_memory_mib,
                   "Most memory of a run, in MiB; 0: what host and device have")
      ->check(CLI::Range(0.0, 1e9));
  command->add_option("--seed", arguments->seed, "Seed of random inputs");
  command->callback([arguments, &exit_code] {
    arguments->context.max_memory_bytes =
        static_cast<uint64_t>(arguments->max_memory_mib * 1024 * 1024);
    const Status status = run_plan(*arguments);
    exit_code = status.is_ok() ? 0 : report(status);
  });
}

}  // namespace penstock::cli
