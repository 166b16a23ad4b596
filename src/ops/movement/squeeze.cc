// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/movement/movement.h"
#include "ops/movement/view.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::SymbolicShape;

bool contains(const std::vector<int64_t>& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

template <typename S>
S without(const S& shape, const std::vector<int64_t>& axes) {
  S result;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!contains(axes, i)) result.push_back(shape[i]);
  }
  return result;
}

// `axes` are places in the result.
template <typename S>
S with_ones(const S& shape, const std::vector<int64_t>& axes) {
  S result;
  auto next = shape.begin();
  for (size_t i = 0; i < shape.size() + axes.size(); ++i) {
    result.push_back(contains(axes, i) ? typename S::value_type(1) : *next++);
  }
  return result;
}

void set_view(InferContext& c, SymbolicShape shape) {
  if (c.contents(0) && carries_contents(shape)) c.set_contents(0, *c.contents(0));
  c.set_output(0, c.dtype(0), std::move(shape));
}

Status infer_squeeze(InferContext& c) {
  std::vector<int64_t> axes;
  if (has_parameter(c, "axes", 1)) {
    const auto known = known_ints(c, "axes", 1);
    if (!known) return c.error("axes must be known when the model is built");
    PENSTOCK_ASSIGN_OR_RETURN(axes, normalize_axes(*known, c.rank(0)));
    for (int64_t axis : axes) {
      const ir::Dim& extent = c.shape(0)[axis];
      if (extent.is_constant() && !extent.is_constant(1)) {
        return c.error("axis " + std::to_string(axis) + " of " + ir::to_string(c.shape(0)) +
                       " is not 1");
      }
    }
  } else {
    // Without axes an extent that varies counts as more than 1: the rank must not vary with it.
    for (int64_t i = 0; i < c.rank(0); ++i) {
      if (c.shape(0)[i].is_constant(1)) axes.push_back(i);
    }
  }
  set_view(c, without(c.shape(0), axes));
  return Status::ok();
}

Status run_squeeze(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  std::vector<int64_t> axes;
  if (node.attributes.has("axes") || run.has_input(1)) {
    PENSTOCK_ASSIGN_OR_RETURN(
        axes, normalize_axes(ints_parameter(node, run, "axes", 1), static_cast<int64_t>(x.size())));
    for (int64_t axis : axes) {
      if (x[axis] == 1) continue;
      return {StatusCode::kInvalidArgument,
              "axis " + std::to_string(axis) + " of " + to_string(x) + " is not 1"};
    }
  } else {
    const Shape& planned = node.outputs[0].shape;
    if (!planned.empty() && element_count(planned) == element_count(x)) {
      return copy_as(run, planned);
    }
    for (size_t i = 0; i < x.size(); ++i) {
      if (x[i] == 1) axes.push_back(static_cast<int64_t>(i));
    }
  }
  return copy_as(run, without(x, axes));
}

Status infer_unsqueeze(InferContext& c) {
  const auto known = known_ints(c, "axes", 1);
  if (!known) return c.error("axes must be known when the model is built");
  const int64_t rank = c.rank(0) + static_cast<int64_t>(known->size());
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, normalize_axes(*known, rank));
  set_view(c, with_ones(c.shape(0), axes));
  return Status::ok();
}

Status run_unsqueeze(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const std::vector<int64_t> asked = ints_parameter(node, run, "axes", 1);
  const auto rank = static_cast<int64_t>(x.size() + asked.size());
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, normalize_axes(asked, rank));
  return copy_as(run, with_ones(x, axes));
}

}  // namespace

const OpDefinition& squeeze_op() {
  static const OpDefinition kOp = {.name = "Squeeze",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer_squeeze,
                                   .reference = run_squeeze,
                                   .is_view = true,
                                   .parameters = {{1, "axes"}}};
  return kOp;
}

const OpDefinition& unsqueeze_op() {
  static const OpDefinition kOp = {.name = "Unsqueeze",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer_unsqueeze,
                                   .reference = run_unsqueeze,
                                   .is_view = true,
                                   .parameters = {{1, "axes"}}};
  return kOp;
}

}  // namespace penstock::ops
