// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/operators.h"
#include "ops/families.h"

namespace penstock::ops {

OpList convolution_ops() {
  return {&kConv,   &kQuantizedConv,     &kConvInteger,   &kConvTranspose, &kMaxPool, &kAveragePool,
          &kLpPool, &kGlobalAveragePool, &kGlobalMaxPool, &kMaxUnpool,     &kCol2Im,  &kDeformConv};
}

}  // namespace penstock::ops
