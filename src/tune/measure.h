// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/backend.h"

namespace penstock::tune {

struct MeasureOptions {
  double target_ms = 8;  // time to spend on one candidate, warm-up not counted
  int most_runs = 40;
  uint64_t workspace_bytes = 0;  // a kernel that wants more is refused; 0: no limit
};

// Microseconds of running `tactic` on `facts` (layouts and config set) with random inputs, on a
// stream of `backend`: the least of several runs. Or the reason why it does not run.
Result<double> measure(backends::Backend& backend, const backends::Tactic& tactic,
                       const backends::NodeFacts& facts, backends::Stream& stream,
                       const MeasureOptions& options);

}  // namespace penstock::tune
