// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reduction/reduction.h"

#include "ops/reference_util.h"

namespace penstock::ops {

std::optional<Reduction> find_reduction(std::string_view op) {
  constexpr std::pair<std::string_view, Reduction> kNames[] = {
      {"ReduceSum", Reduction::kSum},       {"ReduceMean", Reduction::kMean},
      {"ReduceMax", Reduction::kMax},       {"ReduceMin", Reduction::kMin},
      {"ReduceProd", Reduction::kProd},     {"ReduceL1", Reduction::kL1},
      {"ReduceL2", Reduction::kL2},         {"ReduceSumSquare", Reduction::kSumSquare},
      {"ReduceLogSum", Reduction::kLogSum}, {"ReduceLogSumExp", Reduction::kLogSumExp},
  };
  for (const auto& [name, reduction] : kNames) {
    if (name == op) return reduction;
  }
  return std::nullopt;
}

Result<std::vector<bool>> reduced_axes(const ir::Attributes& attributes,
                                       const std::vector<int64_t>& axes, int64_t rank) {
  const bool all = axes.empty() && attributes.get_int("noop_with_empty_axes") == 0;
  std::vector<bool> reduced(static_cast<size_t>(rank), all);
  for (int64_t axis : axes) {
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t wrapped, InferContext::normalize_axis(axis, rank));
    reduced[static_cast<size_t>(wrapped)] = true;
  }
  return reduced;
}

ReductionIndex reduction_index(const Shape& shape, const std::vector<bool>& reduced) {
  Shape kept = shape;
  Shape dropped = shape;
  for (size_t i = 0; i < shape.size(); ++i) (reduced[i] ? kept : dropped)[i] = 1;
  const std::vector<int64_t> strides = strides_of(shape);
  ReductionIndex index;
  for_each_index(kept, [&](const auto& at) { index.starts.push_back(dot(at, strides)); });
  for_each_index(dropped, [&](const auto& at) { index.steps.push_back(dot(at, strides)); });
  return index;
}

}  // namespace penstock::ops
