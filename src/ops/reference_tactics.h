// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"

namespace penstock::ops {

// A tactic "reference.<op>" for every operator that has a reference kernel: row-major, one thread.
const backends::TacticSource& reference_tactics();

}  // namespace penstock::ops
