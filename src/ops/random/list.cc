// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/random/random.h"

namespace penstock::ops {

OpList random_ops() { return {&kRandomUniform, &kRandomNormal, &kMultinomial}; }

}  // namespace penstock::ops
