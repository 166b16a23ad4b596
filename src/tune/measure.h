// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"

namespace penstock::tune {

struct MeasureOptions {
  double target_ms = 8;  // time to spend on one candidate, warm-up not counted
  int most_runs = 40;
  uint64_t workspace_bytes = 0;  // a kernel that wants more is refused; 0: no limit
};

// Random floats from -1 to 1, or integers of 8 bits, as the operand lies: zeros would flatter
// kernels. Wider integers are zeros, so that indices stay valid.
ir::ConstantRef random_data(const backends::Operand& operand);

using Streams = std::vector<std::unique_ptr<backends::Stream>>;

// Microseconds of running `tactic` on `facts` (layouts and config set) with random inputs: the
// least of several runs. On several streams of `backend`, a copy of the kernel runs on each at the
// same time, on the same constants, and the time is that of all divided by their number. Or the
// reason why it does not run.
Result<double> measure(backends::Backend& backend, const backends::Tactic& tactic,
                       const backends::NodeFacts& facts, const Streams& streams,
                       const MeasureOptions& options);

}  // namespace penstock::tune
