// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// "simd.depthwise_conv": channels-last float32 convolutions of one channel each.
TacticList convolution_simd_tactics();

}  // namespace penstock::ops
