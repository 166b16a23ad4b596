// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"

namespace penstock::ops {

OpList normalization_ops() { return {}; }

}  // namespace penstock::ops
