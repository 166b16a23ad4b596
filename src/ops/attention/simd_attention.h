// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// Attention in float32, both layouts, masks that are float32 or bool.
const backends::Tactic& simd_attention();

TacticList attention_simd_tactics();

}  // namespace penstock::ops
