// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

Status infer_expand(InferContext& c) {
  const SymbolicShape& x = c.shape(0);
  const std::optional<std::vector<Dim>> target = c.dims_parameter("shape", 1);
  if (!target) {
    if (!c.has_input(1)) return c.error("no shape given");
    if (c.rank(1) != 1 || !c.shape(1)[0].is_constant()) {
      return c.error("the rank of the new shape is not known; its length must be fixed");
    }
    c.set_output(0, c.dtype(0), fresh_shape(c, std::max(c.rank(0), c.shape(1)[0].constant())));
    return Status::ok();
  }
  SymbolicShape shape(std::max(x.size(), target->size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dim a = i < x.size() ? x[x.size() - 1 - i] : Dim(1);
    const Dim b = i < target->size() ? (*target)[target->size() - 1 - i] : Dim(1);
    if (a.is_constant() && b.is_constant() && !(a == b) && !a.is_constant(1) && !b.is_constant(1)) {
      return c.error("cannot expand " + ir::to_string(x) + " to " + ir::to_string(*target));
    }
    shape[shape.size() - 1 - i] = Dim::broadcast(a, b);
  }
  const auto from = constants_of(x);
  const auto to = constants_of(shape);
  if (from && to) view_contents(c, 0, 0, {*to, 0, broadcast_strides(*from, *to)});
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_expand(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const View view, expand_view(node, run));
  return run_view(run, 0, view);
}

Result<TiledView> tiled_view(const Shape& x, const std::vector<int64_t>& repeats) {
  bool fits = repeats.size() == x.size();
  for (size_t i = 0; i < x.size() && fits; ++i) {
    int64_t extent = 0;
    fits = repeats[i] >= 0 && !__builtin_mul_overflow(repeats[i], x[i], &extent);
  }
  if (!fits) {
    return Status(StatusCode::kInvalidArgument,
                  "repeats " + to_string(repeats) + " do not fit " + to_string(x));
  }
  const std::vector<int64_t> strides = strides_of(x);
  TiledView tiled;
  for (size_t i = 0; i < x.size(); ++i) {
    tiled.view.shape.insert(tiled.view.shape.end(), {repeats[i], x[i]});
    tiled.view.strides.insert(tiled.view.strides.end(), {0, strides[i]});
    tiled.shape.push_back(repeats[i] * x[i]);
  }
  return tiled;
}

void tile_contents(InferContext& c, const View& view) {
  std::vector<Dim> contents(static_cast<size_t>(element_count(view.shape)));
  copy_view(c.contents(0)->data(), view, contents.data());
  c.set_contents(0, std::move(contents));
}

Status infer_tile(InferContext& c) {
  const std::optional<std::vector<Dim>> repeats = c.dims_parameter("repeats", 1);
  if (!repeats) {
    c.set_output(0, c.dtype(0), fresh_shape(c, c.rank(0)));
    return Status::ok();
  }
  if (static_cast<int64_t>(repeats->size()) != c.rank(0)) {
    return c.error(std::to_string(repeats->size()) + " repeats for a tensor of rank " +
                   std::to_string(c.rank(0)));
  }
  SymbolicShape shape = c.shape(0);
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = shape[i] * (*repeats)[i];
  const auto from = constants_of(c.shape(0));
  const auto times = constants_of(*repeats);
  if (from && times) {
    const Result<TiledView> tiled = tiled_view(*from, *times);
    if (!tiled.is_ok()) return c.error(tiled.status().message());
    if (c.contents(0) && carries_contents(shape)) tile_contents(c, tiled->view);
  }
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_tile(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TiledView tiled, tile_view(node, run));
  return run_view(run, 0, tiled.view, tiled.shape);
}

}  // namespace

Result<View> expand_view(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const Shape shape,
                            broadcast_shapes(x, ints_parameter(node, run, "shape", 1)));
  return View{shape, 0, broadcast_strides(x, shape)};
}

Result<TiledView> tile_view(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  return tiled_view(x, ints_parameter(node, run, "repeats", 1));
}

const OpDefinition& expand_op() {
  static const OpDefinition kOp = {.name = "Expand",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer_expand,
                                   .reference = run_expand,
                                   .parameters = {{1, "shape"}}};
  return kOp;
}

const OpDefinition& tile_op() {
  static const OpDefinition kOp = {.name = "Tile",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer_tile,
                                   .reference = run_tile,
                                   .parameters = {{1, "repeats"}}};
  return kOp;
}

}  // namespace penstock::ops
