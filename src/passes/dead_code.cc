// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/pass.h"
#include "passes/rewriter.h"

namespace penstock::passes {
namespace {

// Operators whose kernels leave out an output that is not wanted.
constexpr std::string_view kOptionalOutputs[] = {
    "BatchNormalization", "GRU", "LSTM", "LayerNormalization", "MaxPool", "RNN", "Unique",
};

}  // namespace

// Removes nodes without uses, and the optional outputs that nothing reads.
Status dead_code(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.sweep();
  rewriter.for_each_node([&](ir::Node& node) {
    if (std::find(std::begin(kOptionalOutputs), std::end(kOptionalOutputs), node.op) ==
        std::end(kOptionalOutputs)) {
      return;
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ir::Value*& output = node.outputs[i];
      if (output == nullptr || !rewriter.is_unused(output)) continue;
      output->producer = nullptr;
      output = nullptr;
    }
    while (!node.outputs.empty() && node.outputs.back() == nullptr) node.outputs.pop_back();
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
