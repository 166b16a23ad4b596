// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// LSTM in float32 with constant weights, default activations, no peepholes and no clip.
const backends::Tactic& simd_lstm();

TacticList recurrent_simd_tactics();

}  // namespace penstock::ops
