// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "compiler/lower.h"

namespace penstock::compiler {

// One profile's part of the build report, as JSON: for each step its time, its layouts, and every
// candidate with its time or the reason why it was not taken. The same build gives the same bytes.
std::string profile_report(const Lowered& lowered);
// The report that a plan carries, of the parts in the profiles' order.
std::string make_report(const ir::Graph& graph, const std::vector<std::string>& profiles,
                        int concurrent_contexts = 1);

}  // namespace penstock::compiler
