// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/profile.h>

#include "ir/graph.h"
#include "tune/node_facts.h"

namespace penstock::compiler {

// The caller's profile made complete: a range for every input that varies. What the caller left
// open is 1 to any size, tuned at 1 for the first axis (the batch) and at 128 for others (a
// sequence). Errors name the input, the axis and the contradiction.
Result<OptimizationProfile> complete_profile(const ir::Graph& graph,
                                             const OptimizationProfile& asked);

// Values of the input symbols at the opt shapes.
Result<tune::SymbolValues> opt_symbols(const ir::Graph& graph, const OptimizationProfile& profile);

}  // namespace penstock::compiler
