// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

// Extents of the parts where no list gives them: all the same, and the last one smaller where
// num_outputs allows that.
Result<std::vector<Dim>> equal_parts(const Dim& extent, int64_t parts, bool may_be_smaller) {
  if (!may_be_smaller && extent.is_constant() && extent.constant() % parts != 0) {
    return Status(StatusCode::kInvalidModel, "an extent of " + extent.to_string() +
                                                 " does not split into " + std::to_string(parts) +
                                                 " equal parts");
  }
  const Dim size = Dim::floor_div(extent, Dim(parts));
  if (!may_be_smaller || size * Dim(parts) == extent) {
    return std::vector<Dim>(static_cast<size_t>(parts), size);
  }
  const Dim most = Dim::ceil_div(extent, Dim(parts));
  std::vector<Dim> sizes;
  for (int64_t i = 0; i < parts; ++i) {
    sizes.push_back(Dim::max(Dim::min(most, extent - most * Dim(i)), Dim(0)));
  }
  return sizes;
}

Status infer_split(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis, InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)));
  const auto parts = static_cast<int64_t>(c.outputs().size());
  const Dim& extent = c.shape(0)[axis];
  std::optional<std::vector<Dim>> sizes = c.dims_parameter("split", 1);
  if (!sizes && c.has_input(1)) {
    sizes = fresh_shape(c, parts);
  } else if (!sizes) {
    PENSTOCK_ASSIGN_OR_RETURN(sizes, equal_parts(extent, parts, c.attributes().has("num_outputs")));
  }
  if (static_cast<int64_t>(sizes->size()) != parts) {
    return c.error(std::to_string(parts) + " outputs, but split is " + ir::to_string(*sizes));
  }
  const Dim sum = std::accumulate(sizes->begin(), sizes->end(), Dim(0));
  if (sum.is_constant() && extent.is_constant() && !(sum == extent)) {
    return c.error("split " + ir::to_string(*sizes) + " does not add up to the extent " +
                   extent.to_string());
  }
  const auto x = constants_of(c.shape(0));
  int64_t at = 0;
  for (size_t i = 0; i < sizes->size(); ++i) {
    SymbolicShape shape = c.shape(0);
    shape[axis] = (*sizes)[i];
    if (x && shape[axis].is_constant()) {
      const int64_t size = shape[axis].constant();
      view_contents(c, 0, i, part_view(*x, axis, at, size));
      at += size;
    }
    c.set_output(i, c.dtype(0), std::move(shape));
  }
  return Status::ok();
}

Status run_split(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const SplitSizes split, split_sizes(node, run));
  int64_t at = 0;
  for (size_t i = 0; i < split.sizes.size(); ++i) {
    if (run.has_output(i)) {
      PENSTOCK_RETURN_IF_ERROR(run_view(run, i, part_view(x, split.axis, at, split.sizes[i])));
    }
    at += split.sizes[i];
  }
  return Status::ok();
}

}  // namespace

View part_view(const Shape& x, int64_t axis, int64_t at, int64_t size) {
  View view{x, 0, strides_of(x)};
  view.shape[axis] = size;
  view.offset = at * view.strides[axis];
  return view;
}

Result<SplitSizes> split_sizes(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  SplitSizes split;
  PENSTOCK_ASSIGN_OR_RETURN(split.axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                         static_cast<int64_t>(x.size())));
  const int64_t extent = x[split.axis];
  const auto parts = static_cast<int64_t>(run.output_count());
  if (node.attributes.has("split") || run.has_input(1)) {
    split.sizes = ints_parameter(node, run, "split", 1);
  } else {
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<Dim> equal,
                              equal_parts(Dim(extent), parts, node.attributes.has("num_outputs")));
    split.sizes = *constants_of(equal);
  }
  const int64_t sum = std::accumulate(split.sizes.begin(), split.sizes.end(), int64_t{0});
  bool fits = static_cast<int64_t>(split.sizes.size()) == parts && sum == extent;
  for (int64_t size : split.sizes) fits = fits && size >= 0;
  if (!fits) {
    return Status(StatusCode::kInvalidArgument,
                  "split " + to_string(split.sizes) + " does not cut an extent of " +
                      std::to_string(extent) + " into " + std::to_string(parts) + " parts");
  }
  return split;
}

const OpDefinition& split_op() {
  static const OpDefinition kOp = {.name = "Split",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .outputs = -1,
                                   .infer = infer_split,
                                   .reference = run_split,
                                   .parameters = {{1, "split"}}};
  return kOp;
}

}  // namespace penstock::ops
