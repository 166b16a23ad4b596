// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>

#include <map>
#include <string>

#include "ir/graph.h"
#include "plan/program.h"

namespace penstock::compiler {

// What the inputs are expected to hold: as given, else as calibration saw it. Errors name an input
// that the model does not have, or whose numbers make no sense.
using Contracts = std::map<std::string, InputContract>;
Result<Contracts> input_contracts(const ir::Graph& graph, const BuildOptions& options);

void record(const Contracts& contracts, plan::Program& program);

}  // namespace penstock::compiler
