// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::SymbolicShape;

// Shape's start and end, clamped into [0, rank].
std::pair<int64_t, int64_t> shape_range(const ir::Attributes& attributes, int64_t rank) {
  int64_t start = attributes.get_int("start", 0);
  int64_t end = attributes.get_int("end", rank);
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  start = std::clamp<int64_t>(start, 0, rank);
  return {start, std::clamp<int64_t>(end, start, rank)};
}

Status infer_shape(InferContext& c) {
  const auto [start, end] = shape_range(c.attributes(), c.rank(0));
  const SymbolicShape& x = c.shape(0);
  c.set_output(0, DataType::kInt64, {end - start});
  c.set_contents(0, {x.begin() + start, x.begin() + end});
  return Status::ok();
}

Status run_shape(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const auto [start, end] = shape_range(node.attributes, static_cast<int64_t>(x.size()));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, {end - start}));
  std::copy(x.begin() + start, x.begin() + end, y.as<int64_t>());
  return Status::ok();
}

Status infer_size(InferContext& c) {
  c.set_output(0, DataType::kInt64, {});
  c.set_contents(0, {ir::element_count(c.shape(0))});
  return Status::ok();
}

Status run_size(const NodeFacts&, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, {}));
  *y.as<int64_t>() = run.input(0).count();
  return Status::ok();
}

Status infer_extents(InferContext& c) {
  const std::vector<ir::Dim> values = c.attributes().get_dims("values");
  const auto count = static_cast<int64_t>(values.size());
  const bool scalar = c.attributes().get_int("scalar") != 0;
  const auto dtype = static_cast<DataType>(
      c.attributes().get_int("dtype", static_cast<int64_t>(DataType::kInt64)));
  if (scalar && count != 1) return c.error("a scalar of " + std::to_string(count) + " values");
  if (!is_integer(dtype)) return c.error("extents of type " + std::string(to_string(dtype)));
  c.set_output(0, dtype, scalar ? SymbolicShape() : SymbolicShape{count});
  c.set_contents(0, values);
  return Status::ok();
}

Status run_extents(const NodeFacts& node, KernelRun& run) {
  const std::vector<int64_t> values = node.attributes.get_ints("values");
  Shape shape = {static_cast<int64_t>(values.size())};
  if (node.attributes.get_int("scalar") != 0) shape.clear();
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  return dispatch(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) std::copy(values.begin(), values.end(), y.as<T>());
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& shape_op() {
  static const OpDefinition kOp = {.name = "Shape",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_shape,
                                   .reference = run_shape};
  return kOp;
}

const OpDefinition& size_op() {
  static const OpDefinition kOp = {
      .name = "Size", .min_inputs = 1, .max_inputs = 1, .infer = infer_size, .reference = run_size};
  return kOp;
}

const OpDefinition& extents_op() {
  static const OpDefinition kOp = {.name = "Extents",
                                   .min_inputs = 0,
                                   .max_inputs = 0,
                                   .infer = infer_extents,
                                   .reference = run_extents};
  return kOp;
}

}  // namespace penstock::ops
