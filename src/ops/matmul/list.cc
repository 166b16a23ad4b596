// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/matmul/operators.h"

namespace penstock::ops {

OpList matmul_ops() { return {&kMatMul, &kQuantizedMatMul, &kMatMulInteger, &kDet, &kMlp}; }

}  // namespace penstock::ops
