// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/control/control.h"
#include "ops/families.h"

namespace penstock::ops {

OpList control_ops() { return {&kIf, &kLoop, &kScan}; }

}  // namespace penstock::ops
