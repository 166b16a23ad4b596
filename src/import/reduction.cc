// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/rules.h"

namespace penstock::importer {
namespace {

// The axes are an attribute at first and an input later; the core operators take both.
constexpr std::string_view kWithAxes = "axes:I keepdims:i";
constexpr std::string_view kAxesAreInput = "keepdims:i noop_with_empty_axes:i";

constexpr Rule kRules[] = {
    {"ArgMax", 1, {1, 1}, 1, "axis:i keepdims:i select_last_index:i"},
    {"ArgMin", 1, {1, 1}, 1, "axis:i keepdims:i select_last_index:i"},
    {"CumProd", 26, {2, 2}, 1, "exclusive:i reverse:i"},
    {"CumSum", 11, {2, 2}, 1, "exclusive:i reverse:i"},
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
};

}  // namespace

RuleList reduction_rules() { return kRules; }

}  // namespace penstock::importer
