// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// Float32, row-major, any axes: sum, mean, max, min, product, sum of squares, L2, log of sum.
const backends::Tactic& simd_reduce();

TacticList reduction_simd_tactics();

}  // namespace penstock::ops
