// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// "simd.matmul": float32 products on vector kernels, a constant b packed at build time.
TacticList matmul_simd_tactics();

}  // namespace penstock::ops
