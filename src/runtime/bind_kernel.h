// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backends/tactic.h"

namespace penstock::runtime {

// The tactic's kernel for these shapes; where all outputs are empty, one that does nothing, which
// few fast kernels have a form for.
Result<std::unique_ptr<backends::Kernel>> bind_kernel(const backends::Tactic& tactic,
                                                      const backends::NodeFacts& node);

// Runs it; memory of its own that it does not get is an error of the run.
Status run_kernel(const backends::Kernel& kernel, backends::KernelRun& run);

}  // namespace penstock::runtime
