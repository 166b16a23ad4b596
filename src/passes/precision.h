// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <functional>
#include <string_view>

#include "ir/graph.h"

namespace penstock::passes {

// Turns the float32 values of the main region into `target`, float16 or bfloat16: those between
// operators that compute in float32 whatever they store, which is where the time goes. Inputs and
// outputs of the graph keep their types behind a Cast, and so do the operands of all other
// operators. Finite constants beyond the range of the target become its largest numbers.
Status lower_precision(ir::Graph& graph, DataType target);

// Same for a processor, whose kernels add biases and scale norms in float32: only the nodes of the
// main region that `chosen` names.
using ChooseNode = std::function<bool(const ir::Node& node)>;
Status lower_precision(ir::Graph& graph, DataType target, const ChooseNode& chosen);

// How kernels of processors take floats of 16 bits. Whether input i of such a node is made one;
bool reads_sixteen_bits(std::string_view op, size_t input);
// whether it may be float32 or 16 bits, as it comes;
bool reads_any_float(std::string_view op, size_t input);
// and whether its result may be float32 all the same, which saves the cast of a reader in float32.
bool stores_any_float(std::string_view op);
// True for a node whose result's type is told by attribute "output_dtype".
bool tells_output_type(const ir::Node& node);
// The constant's float32 elements in 16 bits.
ir::ConstantRef to_sixteen_bits(const ir::Constant& constant, DataType target);

// Lets convolutions and matrix products of float32 in the main region round their factors to TF32:
// their attribute "tf32" becomes 1.
void allow_tf32(ir::Graph& graph);

// True for operators that lower_precision() gives 16-bit operands.
bool keeps_accuracy_in_16_bits(std::string_view op);

}  // namespace penstock::passes
