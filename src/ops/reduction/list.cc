// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/reduction/reduction.h"

namespace penstock::ops {

OpList reduction_ops() {
  OpList ops = reduce_ops();
  ops.insert(ops.end(), {&kArgMax, &kArgMin, &kCumSum, &kCumProd, &kNegativeLogLikelihoodLoss});
  return ops;
}

}  // namespace penstock::ops
