// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backends/backend.h"

namespace penstock::ops {

// A list of (operator, tactic) in order of preference; a family adds its tactics in one line each.
using TacticList = std::vector<std::pair<std::string_view, const backends::Tactic*>>;

const backends::TacticSource& onednn_tactics();  // kernels of the oneDNN library
const backends::TacticSource& simd_tactics();  // own vector kernels, dispatched by instruction set

// The CPU with all its tactic sources. One object serves the whole process.
std::shared_ptr<backends::Backend> cpu_backend();

}  // namespace penstock::ops
