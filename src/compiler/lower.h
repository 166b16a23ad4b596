// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "compiler/constant_pool.h"
#include "ir/graph.h"
#include "plan/program.h"
#include "tune/tuner.h"

namespace penstock::compiler {

// One line of the build report: a step, or a node that became a view.
struct LoweredStep {
  const tune::NodeCandidates* candidates = nullptr;  // null for reorders and copies added here
  size_t chosen = 0;
  double microseconds = 0;
};

struct Lowered {
  plan::Program program;
  std::vector<LoweredStep> main_steps;  // parallel to program.bodies[0].steps
};

// Turns the graph and the choice of tactics into a program: values become slots, constants are
// packed into the pool, reorders stand where layouts meet, shape changes become views.
Result<Lowered> lower(const ir::Graph& graph, tune::Tuner& tuner, const std::vector<size_t>& choice,
                      const tune::SymbolValues& symbols, int threads, ConstantPool& pool);

}  // namespace penstock::compiler
