// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

const backends::Tactic& simd_gather();
const backends::Tactic& simd_gather_elements();
const backends::Tactic& simd_gather_nd();
const backends::Tactic& simd_scatter_nd();
const backends::Tactic& simd_top_k();
const backends::Tactic& simd_non_zero();

// All of them, by operator.
TacticList indexing_simd_tactics();

}  // namespace penstock::ops
