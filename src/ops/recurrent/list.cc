// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/recurrent/recurrent.h"

namespace penstock::ops {

OpList recurrent_ops() { return {&kLstm, &kGru, &kRnn}; }

}  // namespace penstock::ops
