// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/profile.h"

#include <algorithm>
#include <optional>

#include "base/names.h"

namespace penstock::compiler {
namespace {

constexpr int64_t kOptBatch = 1;
constexpr int64_t kOptOther = 128;
constexpr int64_t kNoLimit = -1;

Status wrong(const std::string& input, const std::string& what) {
  return {StatusCode::kInvalidArgument, "profile of input '" + input + "': " + what};
}

// A small integer input of fixed shape: its values may tell shapes.
bool can_hold_shape(const ir::Value& input) {
  return (input.dtype == DataType::kInt64 || input.dtype == DataType::kInt32) &&
         input.shape.size() <= 1 && ir::is_constant(input.shape);
}

// As trtexec has it: the shapes given for a shape input are its values. That input's own shape is
// fixed, so nothing else can be meant, unless it is that shape.
std::optional<ValueRange> as_values(const ir::Value& input, const ShapeRange& range) {
  if (!can_hold_shape(input)) return std::nullopt;
  const auto count = static_cast<size_t>(ir::element_count(input.shape).constant());
  bool is_shape = true;
  for (const Shape* given : {&range.min, &range.opt, &range.max}) {
    if (given->empty()) continue;
    if (given->size() != count) return std::nullopt;
    is_shape = is_shape && ir::SymbolicShape(given->begin(), given->end()) == input.shape;
  }
  if (is_shape) return std::nullopt;
  return ValueRange{range.min, range.opt, range.max};
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

// One value's range, open ends filled in.
Status fill_value(const ir::Value& input, ValueRange& range, size_t i, const ValueRange& asked) {
  range.min[i] = asked.min.empty() ? 1 : asked.min[i];
  range.max[i] = asked.max.empty() ? ValueRange::kNoLimit : asked.max[i];
  range.opt[i] = asked.opt.empty()
                     ? std::clamp(kOptOther, range.min[i], std::max(range.min[i], range.max[i]))
                     : asked.opt[i];
  if (asked.min.empty()) range.min[i] = std::min({range.min[i], range.opt[i], range.max[i]});
  if (range.min[i] <= range.opt[i] && range.opt[i] <= range.max[i]) return Status::ok();
  return wrong(input.name, "value " + std::to_string(i) + " needs min <= opt <= max, has " +
                               std::to_string(range.min[i]) + ", " + std::to_string(range.opt[i]) +
                               ", " + std::to_string(range.max[i]));
}

Result<ValueRange> fill_values(const ir::Value& input, const ValueRange& asked) {
  if (!can_hold_shape(input)) {
    return wrong(input.name,
                 "values are for an int32 or int64 input of fixed shape with one axis "
                 "or none, this is " +
                     ir::type_text(input));
  }
  const auto count = static_cast<size_t>(ir::element_count(input.shape).constant());
  for (const auto* values : {&asked.min, &asked.opt, &asked.max}) {
    if (!values->empty() && values->size() != count) {
      return wrong(input.name, std::to_string(values->size()) + " values " +
                                   to_string(Shape(*values)) + " for " + std::to_string(count) +
                                   " elements");
    }
  }
  ValueRange range;
  for (auto* values : {&range.min, &range.opt, &range.max}) values->resize(count);
  for (size_t i = 0; i < count; ++i) {
    PENSTOCK_RETURN_IF_ERROR(fill_value(input, range, i, asked));
  }
  return range;
}

template <typename Range>
Status check_names(const std::map<std::string, Range>& ranges,
                   const std::vector<std::string>& known) {
  for (const auto& [name, range] : ranges) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return wrong(name, "the model has no such input; " + suggest(name, known));
    }
  }
  return Status::ok();
}

// Moves what only can be values from the shapes to the values.
OptimizationProfile sorted(const ir::Graph& graph, OptimizationProfile profile) {
  for (const ir::Value* input : graph.main.inputs) {
    const auto range = profile.inputs.find(input->name);
    if (range == profile.inputs.end() || profile.values.count(input->name) != 0) continue;
    if (std::optional<ValueRange> values = as_values(*input, range->second)) {
      profile.values[input->name] = *std::move(values);
      profile.inputs.erase(range);
    }
  }
  return profile;
}

}  // namespace

Result<OptimizationProfile> complete_profile(const ir::Graph& graph,
                                             const OptimizationProfile& given) {
  const OptimizationProfile asked = sorted(graph, given);
  OptimizationProfile profile;
  std::vector<std::string> known;
  for (const ir::Value* input : graph.main.inputs) {
    known.push_back(input->name);
    if (const auto values = asked.values.find(input->name); values != asked.values.end()) {
      PENSTOCK_ASSIGN_OR_RETURN(profile.values[input->name], fill_values(*input, values->second));
    }
    const auto it = asked.inputs.find(input->name);
    if (it == asked.inputs.end() && ir::is_constant(input->shape)) continue;
    PENSTOCK_ASSIGN_OR_RETURN(profile.inputs[input->name],
                              fill(*input, it == asked.inputs.end() ? ShapeRange() : it->second));
  }
  PENSTOCK_RETURN_IF_ERROR(check_names(asked.inputs, known));
  PENSTOCK_RETURN_IF_ERROR(check_names(asked.values, known));
  return profile;
}

std::vector<ir::Value*> planned_inputs(const ir::Graph& graph,
                                       const std::vector<OptimizationProfile>& profiles) {
  std::vector<ir::Value*> planned;
  for (ir::Value* input : graph.main.inputs) {
    const bool positive =
        std::all_of(profiles.begin(), profiles.end(), [&](const OptimizationProfile& profile) {
          const auto range = profile.values.find(input->name);
          return range != profile.values.end() &&
                 std::all_of(range->second.min.begin(), range->second.min.end(),
                             [](int64_t least) { return least > 0; });
        });
    if (positive) planned.push_back(input);
  }
  return planned;
}

Result<tune::SymbolValues> opt_symbols(const ir::Graph& graph, const OptimizationProfile& profile) {
  tune::SymbolValues symbols;
  for (const ir::Value* input : graph.main.inputs) {
    for (size_t i = 0; input->contents && i < input->contents->size(); ++i) {
      symbols[std::string((*input->contents)[i].symbol_name())] =
          profile.values.at(input->name).opt[i];
    }
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
