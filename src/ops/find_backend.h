// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backends/backend.h"

namespace penstock::ops {

// The backend of "cpu", "cuda:0", "cuda" (the first GPU), or "auto": the first GPU where there is
// one that works, else the CPU. GPUs are in a library of their own, opened here when first asked
// for. Errors say what is missing: the library, the driver, the device.
Result<std::shared_ptr<backends::Backend>> find_backend(std::string_view device);

// The tactic sources of every CUDA backend, known without a GPU or its driver: their lists tell
// which operators have kernels. An error where the library is not installed.
Result<std::vector<const backends::TacticSource*>> cuda_tactic_sources();

}  // namespace penstock::ops
