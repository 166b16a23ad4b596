// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string_view>

#include "ir/graph.h"

namespace penstock::passes {

// Turns the float32 values of the main region into `target`, float16 or bfloat16: those between
// operators that compute in float32 whatever they store, which is where the time goes. Inputs and
// outputs of the graph keep their types behind a Cast, and so do the operands of all other
// operators. Finite constants beyond the range of the target become its largest numbers.
Status lower_precision(ir::Graph& graph, DataType target);

// Lets convolutions and matrix products of float32 in the main region round their factors to TF32:
// their attribute "tf32" becomes 1.
void allow_tf32(ir::Graph& graph);

// True for operators that lower_precision() gives 16-bit operands.
bool keeps_accuracy_in_16_bits(std::string_view op);

}  // namespace penstock::passes
