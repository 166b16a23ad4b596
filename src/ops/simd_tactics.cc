// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/tactic_source.h"

namespace penstock::ops {

const backends::TacticSource& simd_tactics() {
  static const ListedSource kSource("simd", {});
  return kSource;
}

}  // namespace penstock::ops
