// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/diagnostics.h>

#include <memory>

#include "cli/commands.h"
#include "cli/inspect.h"

namespace penstock::cli {
namespace {

struct InspectArguments {
  std::string model;
  bool json = false;
  bool candidates = false;
  bool roofline = false;
  RooflineOptions roofline_options;
};

Status run_inspect(const InspectArguments& arguments) {
  const bool is_onnx = std::filesystem::path(arguments.model).extension() == ".onnx";
  const std::filesystem::path path = arguments.model;
  if (arguments.roofline) {
    if (is_onnx) {
      return {StatusCode::kInvalidArgument, "the roofline is of a plan, and '" + arguments.model +
                                                "' is a model: build it first"};
    }
    PENSTOCK_ASSIGN_OR_RETURN(const std::string measured,
                              roofline(path, arguments.roofline_options));
    if (arguments.json) {
      fmt::print("{}\n", measured);
    } else {
      print_roofline(nlohmann::json::parse(measured));
    }
    return Status::ok();
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::string facts,
                            is_onnx ? inspect_model(path) : inspect_plan(path));
  if (arguments.json) {
    fmt::print("{}\n", facts);
  } else {
    print_facts(nlohmann::json::parse(facts), arguments.candidates);
  }
  return Status::ok();
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = app.add_subcommand(
      "inspect",
      "Tell what a model or plan holds: inputs, outputs, memory, layers and their tactics");
  command->add_option("model", arguments->model, "MODEL.onnx or MODEL.plan")->required();
  command->add_flag("--json", arguments->json, "JSON, with everything");
  command->add_flag("-c,--candidates", arguments->candidates,
                    "For each layer also the tactics that lost, with their times or reasons");
  auto* roofline = command->add_flag("--roofline", arguments->roofline,
                                     "Run the plan and tell how near each layer comes to what the "
                                     "device can do, which is measured");
  command
      ->add_option("--device", arguments->roofline_options.device,
                   "Where to run it (default: the first device of its kind)")
      ->needs(roofline);
  command
      ->add_option("--use-profile,--useProfile", arguments->roofline_options.profile,
                   "Number of the profile whose opt shapes are run")
      ->needs(roofline);
  command->callback([arguments, &exit_code] {
    const Status status = run_inspect(*arguments);
    exit_code = status.is_ok() ? 0 : report(status);
  });
}

}  // namespace penstock::cli
