// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"

namespace penstock::ops {

// A node with its operands in the layouts of a form.
backends::NodeFacts in_form(backends::NodeFacts node, const backends::Form& form);

// The form that has input 0 and output 0 in these layouts, and all else row-major.
backends::Form form_with(const backends::NodeFacts& node, ir::Layout input, ir::Layout output);

// The same; operands of an epilogue, from `first_operand` on, that have the result's shape lie as
// it does.
backends::Form form_with_operands(const backends::NodeFacts& node, ir::Layout input,
                                  ir::Layout output, size_t first_operand);

}  // namespace penstock::ops
