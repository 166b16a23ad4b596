// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/lstm_impl.h"

namespace penstock::simd {
namespace {

void run(const LstmArgs& args, int64_t begin, int64_t end, float* workspace) {
  Lstm<F32x1>::run(kGemmBaseline, args, begin, end, workspace);
}

}  // namespace

const LstmKernel kLstmBaseline{"lstm_f32_sse", &kGemmBaseline, &run};

}  // namespace penstock::simd
