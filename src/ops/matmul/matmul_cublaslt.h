// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/tactic.h"

namespace penstock::ops {

// Nodes of the operator MatMul for cuBLASLt, all operands row-major.

// A config for each algorithm that its heuristics propose, or why there is none.
Result<std::vector<std::string>> cublaslt_variants(const backends::NodeFacts& matmul);
// The kernel of one of these; it announces output 0 with the shape `result`.
Result<std::unique_ptr<backends::Kernel>> bind_cublaslt(const backends::NodeFacts& matmul,
                                                        const Shape& result);

}  // namespace penstock::ops
