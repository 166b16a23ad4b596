// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/profile.h"

#include <algorithm>

#include "base/names.h"

namespace penstock::compiler {
namespace {

constexpr int64_t kOptBatch = 1;
constexpr int64_t kOptOther = 128;
constexpr int64_t kNoLimit = -1;

Status wrong(const std::string& input, const std::string& what) {
  return {StatusCode::kInvalidArgument, "profile of input '" + input + "': " + what};
}

// One extent's range: min <= opt <= max, all the same where the model fixes it.
Status check_axis(const ir::Value& input, const ShapeRange& range, size_t axis) {
  const std::string where = "axis " + std::to_string(axis) + " ";
  const int64_t low = range.min[axis];
  const int64_t opt = range.opt[axis];
  const int64_t high = range.max[axis];
  if (low < 0 || opt < low || (high != kNoLimit && high < opt)) {
    return wrong(input.name, where + "needs min <= opt <= max, has " + std::to_string(low) + ", " +
                                 std::to_string(opt) + ", " + std::to_string(high));
  }
  const ir::Dim& dim = input.shape[axis];
  if (dim.is_constant() && (low != dim.constant() || opt != low || high != low)) {
    return wrong(input.name, where + "is " + dim.to_string() + " in the model and cannot vary");
  }
  return Status::ok();
}

ShapeRange default_range(const ir::Value& input) {
  ShapeRange range;
  for (size_t i = 0; i < input.shape.size(); ++i) {
    const ir::Dim& dim = input.shape[i];
    range.min.push_back(dim.is_constant() ? dim.constant() : 0);
    range.opt.push_back(dim.is_constant() ? dim.constant() : i == 0 ? kOptBatch : kOptOther);
    range.max.push_back(dim.is_constant() ? dim.constant() : kNoLimit);
  }
  return range;
}

// min, opt and max may be given alone: opt alone leaves the limits open.
Result<ShapeRange> fill(const ir::Value& input, const ShapeRange& asked) {
  ShapeRange range = default_range(input);
  for (const Shape* shape : {&asked.min, &asked.opt, &asked.max}) {
    if (!shape->empty() && shape->size() != input.shape.size()) {
      return wrong(input.name, "shape " + to_string(*shape) + " has rank " +
                                   std::to_string(shape->size()) + ", the model's is " +
                                   ir::to_string(input.shape));
    }
  }
  if (!asked.min.empty()) range.min = asked.min;
  if (!asked.max.empty()) range.max = asked.max;
  for (size_t i = 0; i < range.opt.size(); ++i) {
    if (!asked.opt.empty()) {
      range.opt[i] = asked.opt[i];
    } else {
      range.opt[i] = std::max(range.opt[i], range.min[i]);
      if (range.max[i] != kNoLimit) range.opt[i] = std::min(range.opt[i], range.max[i]);
    }
    if (asked.min.empty()) range.min[i] = std::min(range.min[i], range.opt[i]);
    PENSTOCK_RETURN_IF_ERROR(check_axis(input, range, i));
  }
  return range;
}

}  // namespace

Result<OptimizationProfile> complete_profile(const ir::Graph& graph,
                                             const OptimizationProfile& asked) {
  OptimizationProfile profile;
  std::vector<std::string> known;
  for (const ir::Value* input : graph.main.inputs) {
    known.push_back(input->name);
    const auto it = asked.inputs.find(input->name);
    if (it == asked.inputs.end() && ir::is_constant(input->shape)) continue;
    PENSTOCK_ASSIGN_OR_RETURN(profile.inputs[input->name],
                              fill(*input, it == asked.inputs.end() ? ShapeRange() : it->second));
  }
  for (const auto& [name, range] : asked.inputs) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return wrong(name, "the model has no such input; " + suggest(name, known));
    }
  }
  return profile;
}

Result<tune::SymbolValues> opt_symbols(const ir::Graph& graph, const OptimizationProfile& profile) {
  tune::SymbolValues symbols;
  for (const ir::Value* input : graph.main.inputs) {
    const auto it = profile.inputs.find(input->name);
    if (it == profile.inputs.end()) continue;
    for (size_t i = 0; i < input->shape.size(); ++i) {
      const std::string name(input->shape[i].symbol_name());
      if (name.empty()) continue;
      const auto [known, inserted] = symbols.emplace(name, it->second.opt[i]);
      if (!inserted && known->second != it->second.opt[i]) {
        return wrong(input->name, "'" + name + "' is " + std::to_string(it->second.opt[i]) +
                                      " here and " + std::to_string(known->second) +
                                      " in another input's opt shape");
      }
    }
  }
  return symbols;
}

}  // namespace penstock::compiler
