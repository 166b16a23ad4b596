// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/quantization/quantization.h"

namespace penstock::ops {

OpList quantization_ops() {
  return {&kQuantizeLinear, &kDequantizeLinear, &kDynamicQuantizeLinear, &kBitCast};
}

}  // namespace penstock::ops
