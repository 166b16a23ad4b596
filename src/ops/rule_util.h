// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

// Extents as integers, where all are known.
std::optional<std::vector<int64_t>> constants_of(const std::vector<ir::Dim>& dims);

// InferContext::dims_parameter where every extent is an integer. A scalar attribute is a list of
// one.
std::optional<std::vector<int64_t>> known_ints(const InferContext& c, std::string_view attribute,
                                               size_t i);
// True where the parameter stands somewhere, known or not.
bool has_parameter(const InferContext& c, std::string_view attribute, size_t i);

// True for tensors small enough that their contents are worth following: constant extents, rank 2
// at most, 4096 elements at most.
bool carries_contents(const ir::SymbolicShape& shape);

// The extent that two operands share: the constant where one of them is. Nothing where they are
// two different constants.
std::optional<ir::Dim> unify(const ir::Dim& a, const ir::Dim& b);

// `rank` extents that only the run tells.
ir::SymbolicShape fresh_shape(InferContext& c, int64_t rank);

// An error unless inputs 0 and 1 are int8 or uint8, and their zero points, inputs 2 and 3 where
// given, have the same types.
Status check_byte_operands(const InferContext& c);

// Axes wrapped into [0, rank); an error where one is outside or stands twice.
Result<std::vector<int64_t>> normalize_axes(const std::vector<int64_t>& axes, int64_t rank);

// Runtime side: a scalar parameter from the attribute (an integer or a list of one), else from
// input i, else `otherwise`.
int64_t scalar_parameter(const backends::NodeFacts& node, const backends::KernelRun& run,
                         std::string_view attribute, size_t i, int64_t otherwise);

}  // namespace penstock::ops
