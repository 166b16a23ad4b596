// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// Float32, row-major.
const backends::Tactic& simd_softmax();     // Softmax, LogSoftmax
const backends::Tactic& simd_layer_norm();  // LayerNormalization with or without residual, RMS

TacticList normalization_simd_tactics();

}  // namespace penstock::ops
