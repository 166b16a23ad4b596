// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/signal/signal.h"

namespace penstock::ops {

OpList signal_ops() { return {&kDft, &kStft, &kMelWeightMatrix}; }

}  // namespace penstock::ops
