// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "ir/graph.h"
#include "plan/plan_file.h"
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
  std::vector<plan::ConstantData> constants;
  std::vector<ir::ConstantRef> keep_alive;
  std::vector<LoweredStep> main_steps;  // parallel to program.bodies[0].steps
  std::string report;                   // of the build, JSON
};

// Turns the graph and the choice of tactics into a program: values become slots, constants are
// packed, reorders stand where layouts meet, shape changes become views.
Result<Lowered> lower(ir::Graph& graph, tune::Tuner& tuner, const std::vector<size_t>& choice,
                      const tune::SymbolValues& symbols, int threads);

}  // namespace penstock::compiler
