// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "ops/cpu_tactics.h"
#include "ops/families.h"

namespace penstock::ops {

// The family's tables, one per file of the same stem.
std::span<const OpDefinition> unary_ops();       // Abs, Exp, Floor, Not, ...
std::span<const OpDefinition> activation_ops();  // Relu, Gelu, Softplus, ...
std::span<const OpDefinition> arithmetic_ops();  // Add, Pow, Min, PRelu, BitShift, ...
std::span<const OpDefinition> logic_ops();       // Equal, Less, And, ...
const OpDefinition& where_op();
const OpDefinition& clip_op();
const OpDefinition& cast_op();
const OpDefinition& pointwise_op();

// "simd.pointwise" for every operator it serves.
TacticList pointwise_simd_tactics();

}  // namespace penstock::ops
