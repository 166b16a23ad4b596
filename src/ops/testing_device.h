// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/testing.h"

namespace penstock::ops::test {

// Runs a bound kernel of a device that has memory of its own: copies the inputs there, poisons the
// outputs, and copies back what it wrote, row-major.
Result<std::vector<HostTensor>> run_on_device(backends::Backend& backend,
                                              const backends::Kernel& kernel,
                                              const backends::NodeFacts& node,
                                              const std::vector<HostTensor>& inputs,
                                              const backends::Form& form);

}  // namespace penstock::ops::test
