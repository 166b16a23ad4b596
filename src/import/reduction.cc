// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// The axes are an attribute at first and an input later; the core operators take both.
constexpr std::string_view kWithAxes = "axes:I keepdims:i";
constexpr std::string_view kAxesAreInput = "keepdims:i noop_with_empty_axes:i";

constexpr std::string_view kLoss = "ignore_index:i reduction:s";

// The log-probabilities are an output of their own, and the loss is theirs.
Status import_softmax_loss(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * log_probabilities,
                            node.emit("LogSoftmax", {node.input(0)}, {{"axis", int64_t{1}}}));
  node.alias(1, log_probabilities);
  std::vector<ir::Value*> inputs = node.inputs();
  inputs[0] = log_probabilities;
  return node.emit_result("NegativeLogLikelihoodLoss", std::move(inputs), node.attributes(), 1);
}

constexpr Rule kRules[] = {
    {"ArgMax", 1, {1, 1}, 1, "axis:i keepdims:i select_last_index:i"},
    {"ArgMin", 1, {1, 1}, 1, "axis:i keepdims:i select_last_index:i"},
    {"CumProd", 26, {2, 2}, 1, "exclusive:i reverse:i"},
    {"CumSum", 11, {2, 2}, 1, "exclusive:i reverse:i"},
    {"NegativeLogLikelihoodLoss", 12, {2, 3}, 1, kLoss},
    {"ReduceL1", 1, {1, 1}, 1, kWithAxes},
    {"ReduceL1", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceL2", 1, {1, 1}, 1, kWithAxes},
    {"ReduceL2", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceLogSum", 1, {1, 1}, 1, kWithAxes},
    {"ReduceLogSum", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceLogSumExp", 1, {1, 1}, 1, kWithAxes},
    {"ReduceLogSumExp", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceMax", 1, {1, 1}, 1, kWithAxes},
    {"ReduceMax", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceMean", 1, {1, 1}, 1, kWithAxes},
    {"ReduceMean", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceMin", 1, {1, 1}, 1, kWithAxes},
    {"ReduceMin", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceProd", 1, {1, 1}, 1, kWithAxes},
    {"ReduceProd", 18, {1, 2}, 1, kAxesAreInput},
    {"ReduceSum", 1, {1, 1}, 1, kWithAxes},
    {"ReduceSum", 13, {1, 2}, 1, kAxesAreInput},
    {"ReduceSumSquare", 1, {1, 1}, 1, kWithAxes},
    {"ReduceSumSquare", 18, {1, 2}, 1, kAxesAreInput},
    {"SoftmaxCrossEntropyLoss",
     12,
     {2, 3},
     2,
     kLoss,
     import_softmax_loss,
     "LogSoftmax NegativeLogLikelihoodLoss"},
};

}  // namespace

RuleList reduction_rules() { return kRules; }

}  // namespace penstock::importer
