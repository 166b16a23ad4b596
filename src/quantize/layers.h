// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>

#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace penstock::quantize {

// A convolution or product whose first operand is float32 and whose weights are constant: what may
// compute in 8 bits.
bool is_quantizable(const ir::Node& node);

// The axis of the weights, input 1, that counts the outputs: each of its indices has a scale.
int64_t output_axis(const ir::Node& node);

// The value that has these elements under the first of its shapes: Reshape and its like compute
// nothing, and no run shows their outputs.
ir::Value* without_views(ir::Value* value);

// True where the operator that makes the value gives no negative elements, whatever the data.
bool is_never_negative(const ir::Value& value);

// Values whose ranges such nodes need, and the sums that follow them: what calibration watches,
// without_views().
std::vector<ir::Value*> watched_values(ir::Graph& graph);

// What the last of the rules that name this node asks for; kUndefined where none does.
DataType asked_precision(const ir::Node& node, const std::vector<LayerPrecision>& rules);
// An error where two rules of the same names ask for different precisions, or where one asks for
// 8 bits and names only nodes that cannot compute in them.
Status check_rules(ir::Graph& graph, const std::vector<LayerPrecision>& rules);
// Rules that name no node of the graph: misspelt, most likely.
std::vector<std::string> idle_rules(ir::Graph& graph, const std::vector<LayerPrecision>& rules);

}  // namespace penstock::quantize
