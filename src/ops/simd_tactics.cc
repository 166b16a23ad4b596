// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/elementwise.h"
#include "ops/indexing/tactics.h"
#include "ops/movement/tactics.h"
#include "ops/tactic_source.h"

namespace penstock::ops {

const backends::TacticSource& simd_tactics() {
  static const ListedSource kSource("simd", [] {
    TacticList all;
    // One line a family.
    for (const TacticList& family :
         {pointwise_simd_tactics(), movement_simd_tactics(), indexing_simd_tactics()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }());
  return kSource;
}

}  // namespace penstock::ops
