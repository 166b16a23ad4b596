// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/attention_impl.h"

namespace penstock::simd {

const AttentionKernel kAttentionAvx512{"attention_f32_32_avx512", 32, 16,
                                       &Attention<F32x16, F32x16, 12, 2>::run};

}  // namespace penstock::simd
