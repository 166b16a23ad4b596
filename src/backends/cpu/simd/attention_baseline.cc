// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/attention_impl.h"
#include "backends/cpu/simd/vec_quad.h"

namespace penstock::simd {

const AttentionKernel kAttentionBaseline{"attention_f32_8_sse", 8, 4,
                                         &Attention<F32x4, F32x1, 6, 2>::run};

}  // namespace penstock::simd
