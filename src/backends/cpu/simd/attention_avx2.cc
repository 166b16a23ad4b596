// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/attention_impl.h"

namespace penstock::simd {

const AttentionKernel kAttentionAvx2{"attention_f32_16_avx2", 16, 8,
                                     &Attention<F32x8, F32x8, 6, 2>::run};

}  // namespace penstock::simd
