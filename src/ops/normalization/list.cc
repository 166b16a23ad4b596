// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/normalization/normalization.h"

namespace penstock::ops {

OpList normalization_ops() {
  return {&kBatchNormalization,
          &kInstanceNormalization,
          &kGroupNormalization,
          &kLayerNormalization,
          &kRmsNormalization,
          &kLpNormalization,
          &kMeanVarianceNormalization,
          &kLrn,
          &kSoftmax,
          &kLogSoftmax,
          &kHardmax};
}

}  // namespace penstock::ops
