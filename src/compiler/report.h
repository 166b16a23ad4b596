// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "compiler/lower.h"

namespace penstock::compiler {

// The build report that a plan carries, as JSON: for each step its time, its layouts, and every
// candidate with its time or the reason why it was not taken. The same build gives the same bytes.
std::string make_report(const ir::Graph& graph, const Lowered& lowered);

}  // namespace penstock::compiler
