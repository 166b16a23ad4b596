// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

Status check_indices(const InferContext& c, size_t i) {
  if (c.dtype(i) == DataType::kInt32 || c.dtype(i) == DataType::kInt64) return Status::ok();
  return c.error("indices of type " + std::string(to_string(c.dtype(i))));
}

// data seen as [outer, extent, inner] around the axis.
template <typename T>
Status gather(const T* data, const Shape& shape, int64_t axis, const std::vector<int64_t>& indices,
              T* y) {
  const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  const int64_t inner = element_count(Shape(shape.begin() + axis + 1, shape.end()));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t index : indices) {
      PENSTOCK_ASSIGN_OR_RETURN(const int64_t at, wrap_index(index, shape[axis]));
      for (int64_t i = 0; i < inner; ++i) *y++ = data[(o * shape[axis] + at) * inner + i];
    }
  }
  return Status::ok();
}

Status gather_contents(InferContext& c, const SymbolicShape& shape, int64_t axis) {
  const auto data_shape = constants_of(c.shape(0));
  if (c.contents(0) == nullptr || c.contents(1) == nullptr || !data_shape ||
      !carries_contents(shape)) {
    return Status::ok();
  }
  const auto indices = constants_of(*c.contents(1));
  if (!indices) return Status::ok();
  std::vector<Dim> contents(static_cast<size_t>(ir::element_count(shape).constant()));
  PENSTOCK_RETURN_IF_ERROR(
      gather(c.contents(0)->data(), *data_shape, axis, *indices, contents.data()));
  c.set_contents(0, std::move(contents));
  return Status::ok();
}

Status infer_gather(InferContext& c) {
  PENSTOCK_RETURN_IF_ERROR(check_indices(c, 1));
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis, InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)));
  SymbolicShape shape = gathered_shape(c.shape(0), c.shape(1), axis);
  PENSTOCK_RETURN_IF_ERROR(gather_contents(c, shape, axis));
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_gather(const NodeFacts& node, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                         static_cast<int64_t>(x.shape->size())));
  const Shape shape = gathered_shape(*x.shape, *run.input(1).shape, axis);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    return gather(x.as<const T>(), *x.shape, axis, read_int64s(run.input(1)), y.as<T>());
  });
}

Status infer_gather_elements(InferContext& c) {
  PENSTOCK_RETURN_IF_ERROR(check_indices(c, 1));
  if (c.rank(0) != c.rank(1)) {
    return c.error("indices " + ir::to_string(c.shape(1)) + " for data " +
                   ir::to_string(c.shape(0)));
  }
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)).status());
  c.set_output(0, c.dtype(0), c.shape(1));
  return Status::ok();
}

Status run_gather_elements(const NodeFacts& node, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  const Shape& shape = *run.input(1).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                         static_cast<int64_t>(x.shape->size())));
  for (size_t d = 0; d < shape.size(); ++d) {
    if (static_cast<int64_t>(d) != axis && shape[d] > (*x.shape)[d]) {
      return {StatusCode::kInvalidArgument,
              "indices " + to_string(shape) + " reach beyond data " + to_string(*x.shape)};
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const std::vector<int64_t> indices = read_int64s(run.input(1));
  const std::vector<int64_t> strides = strides_of(*x.shape);
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    Status status;
    size_t next = 0;
    for_each_index(shape, [&](std::vector<int64_t> index) {
      const Result<int64_t> at = wrap_index(indices[next], (*x.shape)[axis]);
      if (!at.is_ok()) {
        status = at.status();
      } else {
        index[axis] = *at;
        y.as<T>()[next] = x.as<const T>()[dot(index, strides)];
      }
      ++next;
    });
    return status;
  });
}

}  // namespace

const OpDefinition& gather_op() {
  static const OpDefinition kOp = {.name = "Gather",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer_gather,
                                   .reference = run_gather};
  return kOp;
}

const OpDefinition& gather_elements_op() {
  static const OpDefinition kOp = {.name = "GatherElements",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer_gather_elements,
                                   .reference = run_gather_elements};
  return kOp;
}

}  // namespace penstock::ops
