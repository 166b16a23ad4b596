// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "backends/tactic.h"
#include "ir/graph.h"

namespace penstock::tune {

// Values of the symbols at the shapes a plan is tuned for.
using SymbolValues = std::map<std::string, int64_t, std::less<>>;

// What stands for an extent that depends on data while tuning: nothing is known of it.
inline constexpr int64_t kGuessedExtent = 64;

// The node with its extents and attributes evaluated; all layouts plain, constants attached.
backends::NodeFacts make_facts(const ir::Node& node, const SymbolValues& symbols, int threads);

// True when a shape the node reads, writes or is told depends on data.
bool depends_on_data(const ir::Node& node);

// True when all it reads and writes are numbers or bools: not strings, sequences and optionals.
bool holds_plain_data(const ir::Node& node);

// Sets the layouts of a form.
void apply_form(const backends::Form& form, backends::NodeFacts& facts);

// A text equal for nodes that a tactic treats alike: operator, attributes, types, shapes, layouts
// and which inputs are constants. Key of the timing cache.
std::string signature(const backends::NodeFacts& facts);

}  // namespace penstock::tune
