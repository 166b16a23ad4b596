// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "ops/convolution/operators.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// Extents of what was pooled: by them, indices count.
template <typename Extents>
Result<Extents> pooled_extents(const ir::Attributes& attributes, const Extents& x) {
  const std::vector<int64_t> kernel = attributes.get_ints("kernel_shape");
  const size_t axes = kernel.size();
  const std::vector<int64_t> strides =
      attributes.get_ints("strides", std::vector<int64_t>(axes, 1));
  const std::vector<int64_t> pads = attributes.get_ints("pads", std::vector<int64_t>(2 * axes, 0));
  if (axes == 0 || x.size() != axes + 2 || strides.size() != axes || pads.size() != 2 * axes) {
    return Status(StatusCode::kInvalidModel,
                  "kernel_shape, strides and pads must have entries for each spatial axis");
  }
  constexpr int64_t kMost = int64_t{1} << 31;
  const auto is_sane = [](int64_t v) { return v > -kMost && v < kMost; };
  for (const auto* list : {&kernel, &strides, &pads}) {
    if (!std::all_of(list->begin(), list->end(), is_sane)) {
      return Status(StatusCode::kInvalidModel, "kernel_shape, strides or pads are out of range");
    }
  }
  Extents result = x;
  for (size_t i = 0; i < axes; ++i) {
    using Extent = typename Extents::value_type;
    result[i + 2] =
        (x[i + 2] - Extent(1)) * Extent(strides[i]) + Extent(kernel[i] - pads[i] - pads[axes + i]);
  }
  return result;
}

Status infer_max_unpool(InferContext& c) {
  Result<ir::SymbolicShape> pooled = pooled_extents(c.attributes(), c.shape(0));
  if (!pooled.is_ok()) return c.error(pooled.status().message());
  if (c.dtype(1) != DataType::kInt64) return c.error("indices must be int64");
  ir::SymbolicShape shape = *pooled;
  if (has_parameter(c, "output_shape", 2)) {
    const auto asked = c.dims_parameter("output_shape", 2);
    shape = asked ? *asked : fresh_shape(c, c.rank(0));
    if (shape.size() != pooled->size()) return c.error("output_shape must have the input's rank");
  }
  for (const ir::Dim& extent : shape) {
    if (extent.is_constant() && extent.constant() < 0) {
      return c.error("the result would have shape " + ir::to_string(shape));
    }
  }
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status reference_max_unpool(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const TensorView& indices = run.input(1);
  PENSTOCK_ASSIGN_OR_RETURN(const Shape pooled, pooled_extents(node.attributes, *x.shape));
  Shape shape = pooled;
  if (node.attributes.has("output_shape") || run.has_input(2)) {
    shape = ints_parameter(node, run, "output_shape", 2);
  }
  bool fits = *indices.shape == *x.shape && shape.size() == pooled.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) fits = pooled[i] >= 0 && shape[i] >= pooled[i];
  if (!fits) {
    return {StatusCode::kInvalidArgument, "MaxUnpool: values of shape " + to_string(*x.shape) +
                                              " and indices of shape " + to_string(*indices.shape) +
                                              ", pooled from " + to_string(pooled) +
                                              ", do not fit a result of shape " + to_string(shape)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  const size_t bytes = size_of(x.dtype);
  if (y.count() != 0) std::memset(y.data, 0, static_cast<size_t>(y.count()) * bytes);
  const std::vector<int64_t> from = strides_of(pooled);
  const std::vector<int64_t> to = strides_of(shape);
  const int64_t limit = element_count(pooled);
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t index = indices.as<const int64_t>()[i];
    if (index < 0 || index >= limit) {
      return {StatusCode::kInvalidArgument,
              "MaxUnpool: index " + std::to_string(index) + " is outside " + to_string(pooled)};
    }
    int64_t place = 0;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      place += index / from[axis] % pooled[axis] * to[axis];
    }
    std::memcpy(y.as<char>() + static_cast<size_t>(place) * bytes,
                x.as<const char>() + static_cast<size_t>(i) * bytes, bytes);
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kMaxUnpool = {.name = "MaxUnpool",
                                 .min_inputs = 2,
                                 .max_inputs = 3,
                                 .infer = infer_max_unpool,
                                 .reference = reference_max_unpool,
                                 .parameters = {{2, "output_shape"}}};

}  // namespace penstock::ops
