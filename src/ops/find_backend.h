// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "backends/backend.h"

namespace penstock::ops {

// The backend of "cpu", "cuda:0", "cuda" (the first GPU), or "auto": the first GPU where there is
// one that works, else the CPU. GPUs are in a library of their own, opened here when first asked
// for. Errors say what is missing: the library, the driver, the device.
Result<std::shared_ptr<backends::Backend>> find_backend(std::string_view device);

}  // namespace penstock::ops
