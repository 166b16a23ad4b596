// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace penstock::passes {

struct Phase {
  std::string_view name;
  std::span<const Pass> passes;
  int most_rounds = 1;  // repeated while the graph changes, up to this often
};

// simplify, recognise, quantize, fuse.
std::span<const Phase> phases();

struct PipelineOptions {
  std::string stop_after;  // pass or phase name, empty = all
  bool fuse = true;        // false: without the phase fuse
  // False: what stands between QuantizeLinear and DequantizeLinear stays in floats.
  bool quantize = true;
  // Called before the phase quantize, on values that have the names they had in the model.
  std::function<Status(ir::Graph&)> before_quantize;
  // Told after each pass how many nodes there were before it and after it, regions included.
  std::function<void(std::string_view pass, size_t before, size_t after)> on_pass;
};

// Runs the passes in order and verifies the graph after each. Errors name the pass.
Status run_pipeline(ir::Graph& graph, const PipelineOptions& options = {});
// What follows for a GPU once the precision is chosen; of the options, on_pass.
Status fuse_for_gpu(ir::Graph& graph, const PipelineOptions& options = {});
// All names that stop_after takes, in order: each phase before its passes.
std::vector<std::string> pipeline_names();

}  // namespace penstock::passes
