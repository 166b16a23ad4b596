// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "ir/graph.h"

namespace penstock::passes {

// One step of an epilogue as text, and the operand it adds to the node's inputs.
struct EpilogueText {
  std::string text;
  ir::Value* operand = nullptr;
};

// add(i) or mul(i) of x and a tensor of its shape, or a constant; i is `next_input`.
std::optional<EpilogueText> binary_step(const ir::Node& node, const ir::Value* x,
                                        size_t next_input);
// The call of a pointwise program without its operand is the step, where epilogues know it:
// "clip($0,0,6)" gives "clip(0,6)".
std::optional<EpilogueText> unary_step(const ir::Node& node, const ir::Value* x);

}  // namespace penstock::passes
