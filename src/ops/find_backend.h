// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backends/backend.h"

namespace penstock::ops {

// The backend of "cpu", "cuda:1", "cuda" (the GPU that the environment's PENSTOCK_DEVICE names,
// else the first), or "auto": what PENSTOCK_DEVICE names, else the first GPU where there is one
// that works, else the CPU. GPUs are in a library of their own, opened here when first asked for.
// Errors say what is missing: the library, the driver, the device.
Result<std::shared_ptr<backends::Backend>> find_backend(std::string_view device);

// Of GPUs that the driver shows; 0 where the library or the driver is missing.
int cuda_device_count();

// The tactic sources of every CUDA backend, known without a GPU or its driver: their lists tell
// which operators have kernels. An error where the library is not installed.
Result<std::vector<const backends::TacticSource*>> cuda_tactic_sources();

}  // namespace penstock::ops
