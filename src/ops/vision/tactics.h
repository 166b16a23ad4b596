// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

const backends::Tactic& simd_non_max_suppression();
const backends::Tactic& simd_roi_align();

// All of them, by operator.
TacticList vision_simd_tactics();

}  // namespace penstock::ops
