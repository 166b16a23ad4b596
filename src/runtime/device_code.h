// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"
#include "plan/plan_file.h"

namespace penstock::runtime {

// The device code of all kernels that a plan's programs are bound to at the min, opt and max of
// their profiles, so that whoever loads the plan compiles none of them. Taken from `known` where
// that has it. Ascending by key.
Result<std::vector<backends::CodeItem>> make_device_code(
    plan::PlanFile draft, std::shared_ptr<backends::Backend> backend,
    std::shared_ptr<backends::Backend> host, std::vector<backends::CodeView> known = {});

}  // namespace penstock::runtime
