// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "backends/cpu/simd/pointwise.h"
#include "ops/elementwise/pointwise_program.h"

namespace penstock::ops {

// A program as instructions of the block interpreter. Its inputs are numbered anew, without gaps.
struct CompiledPointwise {
  std::vector<simd::PointwiseInstr> instrs;
  std::vector<int> inputs;  // the program's input behind each of the interpreter's
  double cost = 0;          // of one element, in additions

  simd::PointwiseProgram view() const {
    return {instrs.data(), static_cast<int>(instrs.size()), static_cast<int>(inputs.size()), 1};
  }
};

// An error where the program has more inputs, or needs more values at once, than the interpreter
// has room for. Passes that build programs ask this before they make them longer.
Result<CompiledPointwise> compile_pointwise(const PointwiseProgram& program);

}  // namespace penstock::ops
