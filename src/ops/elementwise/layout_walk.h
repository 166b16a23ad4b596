// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"
#include "ops/elementwise/broadcast.h"

namespace penstock::ops {

// The loop that walks an output of `shape` in the order of `layout`'s memory, padding of blocked
// layouts included, and reads each operand broadcast to it. An operand is row-major, or has the
// output's layout and rank. Not collapsed.
BroadcastLoop layout_walk(const Shape& shape, ir::Layout layout,
                          const std::vector<const backends::Operand*>& operands);

}  // namespace penstock::ops
