// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kConv;
extern const OpDefinition kConvInteger;
extern const OpDefinition kQuantizedConv;
extern const OpDefinition kConvTranspose;
extern const OpDefinition kMaxPool;
extern const OpDefinition kAveragePool;
extern const OpDefinition kLpPool;
extern const OpDefinition kGlobalAveragePool;
extern const OpDefinition kGlobalMaxPool;
extern const OpDefinition kMaxUnpool;
extern const OpDefinition kCol2Im;
extern const OpDefinition kDeformConv;

}  // namespace penstock::ops
