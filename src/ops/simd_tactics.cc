// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/simd_attention.h"
#include "ops/convolution/simd_depthwise.h"
#include "ops/elementwise/elementwise.h"
#include "ops/indexing/tactics.h"
#include "ops/matmul/simd_matmul.h"
#include "ops/movement/tactics.h"
#include "ops/normalization/simd_norms.h"
#include "ops/recurrent/simd_lstm.h"
#include "ops/reduction/simd_reduce.h"
#include "ops/tactic_source.h"
#include "ops/vision/tactics.h"

namespace penstock::ops {

const backends::TacticSource& simd_tactics() {
  static const ListedSource kSource("simd", [] {
    TacticList all;
    // One line a family.
    for (const TacticList& family : {
             pointwise_simd_tactics(),
             movement_simd_tactics(),
             indexing_simd_tactics(),
             normalization_simd_tactics(),
             reduction_simd_tactics(),
             attention_simd_tactics(),
             recurrent_simd_tactics(),
             matmul_simd_tactics(),
             convolution_simd_tactics(),
             vision_simd_tactics(),
         }) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }());
  return kSource;
}

}  // namespace penstock::ops
