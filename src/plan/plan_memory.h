// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <memory>

namespace penstock::plan {

// Constants of a plan are read where they lie, with aligned loads.
inline constexpr size_t kPlanAlignment = 64;

// Zeros, aligned; kOutOfMemory where the system has none.
Result<std::shared_ptr<std::byte>> allocate_plan(size_t bytes);

}  // namespace penstock::plan
