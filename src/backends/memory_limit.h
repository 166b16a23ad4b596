// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"

namespace penstock::backends {

// What the runs of an engine are beside KernelRun: they count the memory that a kernel keeps beyond
// its outputs and workspace. Runs without an engine (constant folding, tests) have no limit.
class MemoryLimit {
 public:
  virtual ~MemoryLimit() = default;
  // Asks for memory, before it is taken; a negative number gives it back. What is not given back is
  // held until the next run begins. An error names the limit.
  virtual Status hold_memory(int64_t bytes) = 0;
};

inline Status hold_memory(KernelRun& run, int64_t bytes) {
  auto* limit = dynamic_cast<MemoryLimit*>(&run);
  return limit == nullptr ? Status::ok() : limit->hold_memory(bytes);
}

}  // namespace penstock::backends
