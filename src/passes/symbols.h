// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace penstock::passes {

// Data-dependent symbols ("u3") and the extents they turned out to be, in the order found.
using Substitutions = std::vector<std::pair<std::string, ir::Dim>>;

// What `value` would say of its symbols if it had the shape `known`.
void note_substitutions(const ir::SymbolicShape& value, const ir::SymbolicShape& known,
                        Substitutions& found);
// Replaces the symbols in all shapes, contents and attributes.
void substitute(ir::Graph& graph, const Substitutions& substitutions);

// Extents as an attribute: integers where all are known.
ir::Attribute as_attribute(const std::vector<ir::Dim>& extents);

// Every data-dependent symbol that an attribute needs is an extent of a value computed before.
Status check_symbols(const ir::Graph& graph);

}  // namespace penstock::passes
