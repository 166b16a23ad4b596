// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/diagnostics.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace penstock::cli {
namespace {

void print_operators() {
  const nlohmann::json facts = nlohmann::json::parse(list_operators());
  const nlohmann::json& opsets = facts.at("opsets");
  fmt::print("{} operators of ONNX, opsets {} to {}; behind each, its fast kernels\n",
             facts.at("operators").size(), opsets.at(0).get<int>(), opsets.at(1).get<int>());
  for (const nlohmann::json& entry : facts.at("operators")) {
    std::string tactics;
    for (const auto& [backend, names] : entry.at("tactics").items()) {
      for (const nlohmann::json& name : names) tactics += " " + name.get<std::string>();
    }
    fmt::print("{:<44}{}\n", entry.at("operator").get<std::string>(), tactics);
  }
}

}  // namespace

void add_operators_command(CLI::App& app, int& exit_code) {
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand(
      "operators", "List the ONNX operators that models may have, and which have fast kernels");
  command->add_flag("--json", *as_json, "JSON, with the core operators behind each");
  command->callback([as_json, &exit_code] {
    if (*as_json) {
      fmt::print("{}\n", list_operators());
    } else {
      print_operators();
    }
    exit_code = 0;
  });
}

}  // namespace penstock::cli
