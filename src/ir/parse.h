// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string_view>

#include "ir/graph.h"

namespace penstock::ir {

// Reads what to_text writes; errors carry line and column. Beyond that, for texts written by hand:
// - the type of a node's output may be missing: ops::infer_graph finds it;
// - `const float32[64, 3]random` is a constant of contents that depend on its place in the text.
// The elements of large constants are not in the text: `const float32[64, 3]#0123456789abcdef`
// becomes numbers made from that hash (floats in [-1, 1), integers in [0, 8)), the same ones every
// time. A node is named after its first output and is its own origin.
Result<Graph> parse_text(std::string_view text);

}  // namespace penstock::ir
