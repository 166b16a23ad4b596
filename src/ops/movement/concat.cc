// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

// Writes x into y from place `at` of `axis` on.
template <typename T>
void copy_part(const T* x, const Shape& x_shape, T* y, const Shape& y_shape, int64_t axis,
               int64_t at) {
  const std::vector<int64_t> strides = strides_of(y_shape);
  for_each_index(x_shape, [&](const std::vector<int64_t>& index) {
    y[dot(index, strides) + at * strides[axis]] = *x++;
  });
}

void concat_contents(InferContext& c, const SymbolicShape& shape, int64_t axis) {
  if (!carries_contents(shape)) return;
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (c.contents(i) == nullptr || !ir::is_constant(c.shape(i))) return;
  }
  const Shape y = *constants_of(shape);
  std::vector<Dim> contents(static_cast<size_t>(element_count(y)));
  int64_t at = 0;
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape x = *constants_of(c.shape(i));
    copy_part(c.contents(i)->data(), x, contents.data(), y, axis, at);
    at += x[axis];
  }
  c.set_contents(0, std::move(contents));
}

Status infer_concat(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis, InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)));
  SymbolicShape shape = c.shape(0);
  for (size_t i = 1; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return c.error("input " + std::to_string(i) + " is missing");
    if (c.dtype(i) != c.dtype(0)) {
      return c.error("inputs of types " + std::string(to_string(c.dtype(0))) + " and " +
                     std::string(to_string(c.dtype(i))));
    }
    const SymbolicShape& x = c.shape(i);
    bool fits = x.size() == shape.size();
    for (size_t d = 0; fits && d < x.size(); ++d) {
      if (static_cast<int64_t>(d) == axis) {
        shape[d] = shape[d] + x[d];
        continue;
      }
      const std::optional<Dim> extent = unify(shape[d], x[d]);
      if ((fits = extent.has_value())) shape[d] = *extent;
    }
    if (!fits) {
      return c.error("shapes " + ir::to_string(c.shape(0)) + " and " + ir::to_string(x) +
                     " do not join along axis " + std::to_string(axis));
    }
  }
  concat_contents(c, shape, axis);
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_concat(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const ConcatShape joined, concat_shape(node, run));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, joined.shape));
  int64_t at = 0;
  for (size_t i = 0; i < run.input_count(); ++i) {
    const backends::TensorView& x = run.input(i);
    PENSTOCK_RETURN_IF_ERROR(dispatch_size(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      copy_part(x.as<const T>(), *x.shape, y.as<T>(), joined.shape, joined.axis, at);
      return Status::ok();
    }));
    at += (*x.shape)[joined.axis];
  }
  return Status::ok();
}

}  // namespace

Result<ConcatShape> concat_shape(const NodeFacts& node, const KernelRun& run) {
  ConcatShape result{*run.input(0).shape, 0};
  const auto rank = static_cast<int64_t>(result.shape.size());
  PENSTOCK_ASSIGN_OR_RETURN(result.axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"), rank));
  for (size_t i = 1; i < run.input_count(); ++i) {
    Shape x = *run.input(i).shape;
    if (x.size() == result.shape.size()) {
      const int64_t sum = result.shape[result.axis] + x[result.axis];
      x[result.axis] = result.shape[result.axis];
      if (x == result.shape) {
        result.shape[result.axis] = sum;
        continue;
      }
    }
    return Status(StatusCode::kInvalidArgument, "shapes " + to_string(*run.input(0).shape) +
                                                    " and " + to_string(*run.input(i).shape) +
                                                    " do not join along axis " +
                                                    std::to_string(result.axis));
  }
  return result;
}

const OpDefinition& concat_op() {
  static const OpDefinition kOp = {.name = "Concat",
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .infer = infer_concat,
                                   .reference = run_concat};
  return kOp;
}

}  // namespace penstock::ops
