// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/profile.h>

#include "ir/graph.h"
#include "tune/node_facts.h"

namespace penstock::compiler {

// The caller's profile made complete: a range for every input that varies. What the caller left
// open is 0 to any size, tuned at 1 for the first axis (the batch) and at 128 for others (a
// sequence). Values get ranges only where the caller gives one, open ends being 1 and no limit.
// Errors name the input, the axis and the contradiction.
Result<OptimizationProfile> complete_profile(const ir::Graph& graph,
                                             const OptimizationProfile& asked);

// The inputs whose values every profile limits to 1 and more: extents, which symbols can stand for.
std::vector<ir::Value*> planned_inputs(const ir::Graph& graph,
                                       const std::vector<OptimizationProfile>& profiles);

// Values of the input symbols at the opt shapes and the opt values.
Result<tune::SymbolValues> opt_symbols(const ir::Graph& graph, const OptimizationProfile& profile);

}  // namespace penstock::compiler
