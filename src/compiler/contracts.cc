// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/contracts.h"

#include <penstock/calibration.h>

#include <algorithm>

#include "base/names.h"
#include "plan/contract.h"

namespace penstock::compiler {

Result<Contracts> input_contracts(const ir::Graph& graph, const BuildOptions& options) {
  std::vector<std::string> names;
  for (const ir::Value* input : graph.main.inputs) {
    const bool is_number = is_floating(input->dtype) || is_integer(input->dtype);
    if (is_number && !input->element) names.push_back(input->name);
  }
  const auto is_input = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const auto& [name, contract] : options.input_contracts) {
    if (!is_input(name)) {
      return Status(StatusCode::kInvalidArgument,
                    "a range is given for '" + name +
                        "', which is no input of numbers of this model; " + suggest(name, names));
    }
    PENSTOCK_RETURN_IF_ERROR(plan::check(contract).with_context("input '" + name + "'"));
  }
  Contracts contracts = options.input_contracts;
  if (options.calibration == nullptr) return contracts;
  for (const auto& [name, seen] : options.calibration->inputs) {
    if (is_input(name)) contracts.emplace(name, seen);
  }
  return contracts;
}

void record(const Contracts& contracts, plan::Program& program) {
  for (const int input : program.bodies[0].inputs) {
    plan::Slot& slot = program.slots[input];
    const auto contract = contracts.find(slot.name);
    if (contract != contracts.end()) slot.contract = contract->second;
  }
}

}  // namespace penstock::compiler
