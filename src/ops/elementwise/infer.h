// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "ops/elementwise/element_types.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// The shape that all present inputs broadcast to, or an error that prints the two that do not.
Result<ir::SymbolicShape> broadcast_inputs(const InferContext& context);
Result<ir::SymbolicShape> broadcast_shapes(const ir::SymbolicShape& a, const ir::SymbolicShape& b);

// Inputs a and b have the same type.
Status check_same_type(const InferContext& context, size_t a, size_t b);

// Types whose extents-as-elements arithmetic is exact: wider than any extent.
bool holds_extents(DataType dtype);

// The elements of one output from the elements of some inputs at the same place; nothing where they
// do not follow.
using ElementRule = std::function<std::optional<ir::Dim>(const std::vector<ir::Dim>&)>;

// Sets the contents of output 0 where the contents of all inputs listed are known, all shapes are
// constant and small, and the rule decides every element.
void propagate_contents(InferContext& context, const std::vector<size_t>& inputs,
                        const ElementRule& rule);

}  // namespace penstock::ops
