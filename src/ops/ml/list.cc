// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/ml/ml.h"

namespace penstock::ops {

OpList ml_ops() { return {&kLabelEncoder, &kTreeEnsemble}; }

}  // namespace penstock::ops
