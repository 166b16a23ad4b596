// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "ops/movement/movement.h"
#include "ops/movement/view.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

// The extent that stands for -1. Extents on both sides cancel first: what is left divides more
// often, and rounds in fewer places.
Dim inferred_extent(SymbolicShape from, const SymbolicShape& to, size_t minus_one) {
  Dim others = 1;
  for (size_t i = 0; i < to.size(); ++i) {
    if (i == minus_one) continue;
    auto same = std::find(from.begin(), from.end(), to[i]);
    if (same != from.end() && !to[i].is_constant(0)) {
      from.erase(same);
    } else {
      others = others * to[i];
    }
  }
  const Dim count = ir::element_count(from);
  return others.is_constant(0) ? Dim(0) : Dim::floor_div(count, others);
}

Status infer_reshape(InferContext& c) {
  const SymbolicShape& x = c.shape(0);
  std::optional<std::vector<Dim>> target = c.dims_parameter("shape", 1);
  if (!target) {
    if (!c.has_input(1)) return c.error("no shape given");
    if (c.rank(1) != 1 || !c.shape(1)[0].is_constant()) {
      return c.error("the rank of the new shape is not known; its length must be fixed");
    }
    c.set_output(0, c.dtype(0), fresh_shape(c, c.shape(1)[0].constant()));
    return Status::ok();
  }
  const bool allow_zero = c.attributes().get_int("allowzero") != 0;
  std::optional<size_t> minus_one;
  for (size_t i = 0; i < target->size(); ++i) {
    Dim& extent = (*target)[i];
    if (extent.is_constant(-1)) {
      if (minus_one) return c.error("two extents of " + ir::to_string(*target) + " are -1");
      minus_one = i;
    } else if (extent.is_constant(0) && !allow_zero) {
      if (i >= x.size()) {
        return c.error("extent " + std::to_string(i) + " of the new shape copies one that " +
                       ir::to_string(x) + " lacks");
      }
      extent = x[i];
    } else if (extent.is_constant() && extent.constant() < 0) {
      return c.error("negative extent in " + ir::to_string(*target));
    }
  }
  const SymbolicShape asked = *target;
  if (minus_one) (*target)[*minus_one] = inferred_extent(x, *target, *minus_one);
  const Dim before = ir::element_count(x);
  const Dim after = ir::element_count(*target);
  if (before.is_constant() && after.is_constant() && !(before == after)) {
    return c.error("cannot reshape " + ir::to_string(x) + " to " + ir::to_string(asked));
  }
  if (c.contents(0) && carries_contents(*target)) c.set_contents(0, *c.contents(0));
  c.set_output(0, c.dtype(0), std::move(*target));
  return Status::ok();
}

Status run_reshape(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const bool allow_zero = node.attributes.get_int("allowzero") != 0;
  const Shape asked = ints_parameter(node, run, "shape", 1);
  Shape shape = asked;
  int64_t others = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero && i < x.size()) shape[i] = x[i];
    if (shape[i] != -1) others *= shape[i];
  }
  for (int64_t& extent : shape) {
    if (extent == -1) extent = others == 0 ? 0 : element_count(x) / others;
  }
  if (std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent < 0; }) ||
      element_count(shape) != element_count(x)) {
    return {StatusCode::kInvalidArgument,
            "cannot reshape " + to_string(x) + " to " + to_string(asked)};
  }
  return copy_as(run, shape);
}

Status infer_flatten(InferContext& c) {
  const SymbolicShape& x = c.shape(0);
  int64_t axis = c.attributes().get_int("axis", 1);
  if (axis < -c.rank(0) || axis > c.rank(0)) {
    return c.error("axis " + std::to_string(axis) + " is outside a tensor of rank " +
                   std::to_string(c.rank(0)));
  }
  if (axis < 0) axis += c.rank(0);
  const SymbolicShape rows(x.begin(), x.begin() + axis);
  const SymbolicShape columns(x.begin() + axis, x.end());
  SymbolicShape shape = {ir::element_count(rows), ir::element_count(columns)};
  if (c.contents(0) && carries_contents(shape)) c.set_contents(0, *c.contents(0));
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_flatten(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  int64_t axis = node.attributes.get_int("axis", 1);
  if (axis < 0) axis += static_cast<int64_t>(x.size());
  return copy_as(run, {element_count(Shape(x.begin(), x.begin() + axis)),
                       element_count(Shape(x.begin() + axis, x.end()))});
}

}  // namespace

Status copy_as(KernelRun& run, const Shape& shape) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const auto bytes = static_cast<size_t>(x.count()) * size_of(x.dtype);
  // A planned view has one address for both.
  if (bytes != 0 && x.data != y.data) std::memcpy(y.data, x.data, bytes);
  return Status::ok();
}

const OpDefinition& reshape_op() {
  static const OpDefinition kOp = {.name = "Reshape",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer_reshape,
                                   .reference = run_reshape,
                                   .is_view = true,
                                   .parameters = {{1, "shape"}}};
  return kOp;
}

const OpDefinition& flatten_op() {
  static const OpDefinition kOp = {.name = "Flatten",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_flatten,
                                   .reference = run_flatten,
                                   .is_view = true};
  return kOp;
}

}  // namespace penstock::ops
