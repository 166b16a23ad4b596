// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/lstm_impl.h"

namespace penstock::simd {
namespace {

void run(const LstmArgs& args, int64_t begin, int64_t end, float* workspace) {
  Lstm<F32x16>::run(kGemmAvx512, args, begin, end, workspace);
}

}  // namespace

const LstmKernel kLstmAvx512{"lstm_f32_avx512", &kGemmAvx512, &run};

}  // namespace penstock::simd
