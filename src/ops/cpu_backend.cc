// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_backend.h"

#include "ops/cpu_tactics.h"
#include "ops/reference_tactics.h"

namespace penstock::ops {

std::shared_ptr<backends::Backend> cpu_backend() {
  static const std::shared_ptr<backends::Backend> kBackend =
      std::make_shared<backends::CpuBackend>(std::vector<const backends::TacticSource*>{
          &simd_tactics(), &onednn_tactics(), &reference_tactics()});
  return kBackend;
}

}  // namespace penstock::ops
