// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"

namespace penstock::cli {
namespace {

struct BuildArguments {
  std::string onnx;
  std::string plan;
  std::string stop_after;
  std::string dump;
  bool verbose = false;
  bool quiet = false;
  BuildFlags flags;
  SearchFlags search;
};

int run_build(const BuildArguments& arguments) {
  Result<BuildOptions> options = arguments.flags.options();
  if (!options.is_ok()) return report(options.status());
  options->stop_after = arguments.stop_after;
  options->dump =
      arguments.dump.empty() && !arguments.stop_after.empty() ? "/dev/stdout" : arguments.dump;
  if (arguments.verbose) {
    options->log = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  }
  const std::string plan =
      !arguments.plan.empty()
          ? arguments.plan
          : std::filesystem::path(arguments.onnx).filename().replace_extension(".plan").string();
  if (const Status status = arguments.search.check(arguments.flags); !status.is_ok()) {
    return report(status);
  }
  if (arguments.search.is_asked()) {
    const Status searched =
        search_with_progress(arguments.onnx, plan, *options, arguments.flags.calibration,
                             arguments.search, arguments.quiet || arguments.verbose);
    return searched.is_ok() ? 0 : report(searched);
  }
  const Result<BuildSummary> summary =
      build_with_progress(arguments.onnx, plan, *options, arguments.flags.calibration,
                          arguments.quiet || arguments.verbose);
  if (!summary.is_ok()) return report(summary.status());
  if (!arguments.stop_after.empty()) {
    fmt::print(stderr, "stopped after {}: {} ONNX nodes, {} nodes now\n", arguments.stop_after,
               summary->onnx_nodes, summary->kernels);
    return 0;
  }
  fmt::print(
      "{}: {} ONNX nodes became {} kernels for {}; {} tactics measured, {} from the cache; {} in "
      "{:.1f} s\n",
      plan, summary->onnx_nodes, summary->kernels, summary->device, summary->tactics_measured,
      summary->tactics_cached, bytes_text(summary->plan_bytes), summary->seconds);
  return 0;
}

}  // namespace

void add_build_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command =
      app.add_subcommand("build", "Compile an ONNX model into a plan for this machine");
  command->add_option("model", arguments->onnx, "MODEL.onnx")->required();
  command->add_option("-o,--output,--saveEngine", arguments->plan,
                      "Plan file to write (default: the model's name with .plan, in this folder)");
  arguments->flags.add_to(*command);
  arguments->search.add_to(*command);
  command->add_option("--stop-after", arguments->stop_after,
                      "End after this phase (import, simplify, recognise, quantize, fuse) or pass, "
                      "and dump the graph");
  command
      ->add_option("--dump", arguments->dump,
                   "Where --stop-after writes the graph's text (default: stdout)")
      ->needs("--stop-after");
  command->add_flag("-v,--verbose", arguments->verbose,
                    "Log what each pass did, and each node's choice of tactics");
  command->add_flag("-q,--quiet", arguments->quiet, "No progress display");
  command->callback([arguments, &exit_code] { exit_code = run_build(*arguments); });
}

}  // namespace penstock::cli
