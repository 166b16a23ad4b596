// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

const backends::Tactic& simd_transpose();
const backends::Tactic& simd_concat();
const backends::Tactic& simd_split();
const backends::Tactic& simd_slice();
const backends::Tactic& simd_pad();
const backends::Tactic& simd_expand();
const backends::Tactic& simd_tile();
const backends::Tactic& simd_depth_to_space();
const backends::Tactic& simd_space_to_depth();
const backends::Tactic& simd_trilu();
const backends::Tactic& simd_reorder();

// All of them, by operator.
TacticList movement_simd_tactics();

}  // namespace penstock::ops
