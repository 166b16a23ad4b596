// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kResize;
extern const OpDefinition kNonMaxSuppression;
extern const OpDefinition kRoiAlign;
extern const OpDefinition kGridSample;
extern const OpDefinition kAffineGrid;

}  // namespace penstock::ops
