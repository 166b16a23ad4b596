// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/filter.h"

namespace penstock::ops {

Result<Shape> kernel_extents(const InferContext& context) {
  const int64_t rank = context.rank(0);
  if (rank < 3) {
    return context.error("x has rank " + std::to_string(rank) + "; it must be [N, C, spatial...]");
  }
  if (context.rank(1) != rank) {
    return context.error("w of shape " + ir::to_string(context.shape(1)) +
                         " has another rank than x's " + ir::to_string(context.shape(0)));
  }
  Shape kernel;
  for (int64_t i = 2; i < rank; ++i) {
    const ir::Dim& extent = context.shape(1)[i];
    if (!extent.is_constant()) {
      return context.error("the kernel's extents must be known; w is " +
                           ir::to_string(context.shape(1)));
    }
    kernel.push_back(extent.constant());
  }
  return kernel;
}

Result<Shape> check_filter(const InferContext& context) {
  if (!is_floating(context.dtype(0)) || context.dtype(1) != context.dtype(0)) {
    return context.error("x and w must share a floating type; they are " +
                         std::string(to_string(context.dtype(0))) + " and " +
                         std::string(to_string(context.dtype(1))));
  }
  if (context.has_input(2) && context.rank(2) != 1) {
    return context.error("the bias must have one axis, not " + std::to_string(context.rank(2)));
  }
  return kernel_extents(context);
}

Status check_equal(const ir::Dim& a, const ir::Dim& b, std::string_view what) {
  if (!a.is_constant() || !b.is_constant() || a == b) return Status::ok();
  return {StatusCode::kInvalidModel,
          std::string(what) + ": " + a.to_string() + " is not " + b.to_string()};
}

Result<int64_t> check_group(const InferContext& context, const ir::Dim& grouped) {
  const int64_t group = context.attributes().get_int("group", 1);
  if (group < 1) return context.error("group is " + std::to_string(group));
  if (grouped.is_constant() && grouped.constant() % group != 0) {
    return context.error(grouped.to_string() + " channels do not divide into " +
                         std::to_string(group) + " groups");
  }
  return group;
}

}  // namespace penstock::ops
