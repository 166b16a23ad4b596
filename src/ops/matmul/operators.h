// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kMatMul;
extern const OpDefinition kQuantizedMatMul;
extern const OpDefinition kMatMulInteger;
extern const OpDefinition kDet;
extern const OpDefinition kMlp;

}  // namespace penstock::ops
