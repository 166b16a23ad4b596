// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/attention.h"
#include "ops/families.h"

namespace penstock::ops {

OpList attention_ops() { return {&kAttention, &kLinearAttention}; }

}  // namespace penstock::ops
