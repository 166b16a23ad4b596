// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/lstm.h"

#include <algorithm>

namespace penstock::simd {

const LstmKernel& lstm_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx512: return kLstmAvx512;
    case Isa::kAvx2: return kLstmAvx2;
    case Isa::kBaseline: break;
  }
  return kLstmBaseline;
}

size_t lstm_packed_recurrent_floats(const LstmKernel& kernel, int64_t hidden) {
  return gemm_packed_b_floats(hidden, 4 * hidden, kernel.gemm->nr);
}

void lstm_pack_recurrent(const LstmKernel& kernel, const float* r, int64_t hidden, float* packed) {
  gemm_pack_b(r, hidden, true, hidden, 4 * hidden, kernel.gemm->nr, packed);
}

int64_t lstm_rows_per_call(int64_t batch, int threads) {
  constexpr int64_t kFewestRows = 4;
  return std::max(kFewestRows, (batch + threads - 1) / std::max(1, threads));
}

size_t lstm_workspace_floats(int64_t rows, int64_t hidden) {
  return static_cast<size_t>(rows * hidden * 6);  // gates, h, c
}

}  // namespace penstock::simd
