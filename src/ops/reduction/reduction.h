// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ops/families.h"

namespace penstock::ops {

enum class Reduction : uint8_t {
  kSum,
  kMean,
  kMax,
  kMin,
  kProd,
  kL1,
  kL2,
  kSumSquare,
  kLogSum,
  kLogSumExp,
};

// By operator name: "ReduceSum" is kSum.
std::optional<Reduction> find_reduction(std::string_view op);

// One entry per axis of a tensor of that rank: is it reduced? No axes mean all of them, or none
// with noop_with_empty_axes (the reduction of single elements: ReduceL1 is then Abs).
Result<std::vector<bool>> reduced_axes(const ir::Attributes& attributes,
                                       const std::vector<int64_t>& axes, int64_t rank);

// The shape with reduced axes 1, or left out.
template <typename Extent>
std::vector<Extent> reduced_shape(const std::vector<Extent>& shape,
                                  const std::vector<bool>& reduced, bool keepdims) {
  std::vector<Extent> result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!reduced[i]) {
      result.push_back(shape[i]);
    } else if (keepdims) {
      result.emplace_back(1);
    }
  }
  return result;
}

// Where the elements of a row-major tensor lie by output element: those that output i is reduced
// from are starts[i] + steps[0], starts[i] + steps[1], ...
struct ReductionIndex {
  std::vector<int64_t> starts;
  std::vector<int64_t> steps;
};
ReductionIndex reduction_index(const Shape& shape, const std::vector<bool>& reduced);

OpList reduce_ops();
extern const OpDefinition kArgMax;
extern const OpDefinition kArgMin;
extern const OpDefinition kCumSum;
extern const OpDefinition kNegativeLogLikelihoodLoss;
extern const OpDefinition kCumProd;

}  // namespace penstock::ops
