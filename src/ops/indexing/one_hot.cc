// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/indexing/indexing.h"
#include "ops/real_values.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::Dim;
using ir::SymbolicShape;

// Elements of any numeric tensor, truncated: ONNX lets indices and depth be floats.
std::vector<int64_t> read_numbers(const TensorView& view) {
  std::vector<int64_t> values;
  const Status status = dispatch(view.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < view.count(); ++i) {
      if constexpr (std::is_integral_v<T>) {
        values.push_back(static_cast<int64_t>(view.as<const T>()[i]));
      } else {
        values.push_back(from_real<int64_t>(std::trunc(to_real(view.as<const T>()[i]))));
      }
    }
    return Status::ok();
  });
  if (!status.is_ok()) values.clear();
  return values;
}

Dim depth_of(InferContext& c) {
  const auto known = c.dims_parameter("depth", 1);
  if (known && known->size() == 1) return known->front();
  if (c.has_input(1) && c.constant(1) != nullptr) {
    const std::vector<float> values = ir::to_floats(*c.constant(1));
    if (!values.empty()) return from_real<int64_t>(std::trunc(values.front()));
  }
  return c.fresh_symbol();
}

Status infer(InferContext& c) {
  if (!c.has_input(2)) return c.error("no values given");
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis,
      InferContext::normalize_axis(c.attributes().get_int("axis", -1), c.rank(0) + 1));
  SymbolicShape shape = c.shape(0);
  shape.insert(shape.begin() + axis, depth_of(c));
  c.set_output(0, c.dtype(2), std::move(shape));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  const std::vector<int64_t> indices = read_numbers(run.input(0));
  const std::vector<int64_t> given = node.attributes.has("depth")
                                         ? std::vector{scalar_parameter(node, run, "depth", 1, 0)}
                                         : read_numbers(run.input(1));
  if (given.empty() || given.front() < 0) {
    return {StatusCode::kInvalidArgument, "the depth must be a number of 0 or more"};
  }
  const int64_t depth = given.front();
  Shape shape = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(shape.size()) + 1));
  const int64_t inner = element_count(Shape(shape.begin() + axis, shape.end()));
  shape.insert(shape.begin() + axis, depth);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  return dispatch_size(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* off_on = run.input(2).as<const T>();
    for (int64_t i = 0; i < y.count(); ++i) {
      const int64_t at = i / inner % depth;
      const int64_t index = indices[i / (inner * depth) * inner + i % inner];
      // An index outside [-depth, depth) lights nothing.
      const bool on = index == at || index + depth == at;
      y.as<T>()[i] = off_on[on ? 1 : 0];
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& one_hot_op() {
  static const OpDefinition kOp = {.name = "OneHot",
                                   .min_inputs = 1,
                                   .max_inputs = 3,
                                   .infer = infer,
                                   .reference = reference,
                                   .parameters = {{1, "depth"}}};
  return kOp;
}

}  // namespace penstock::ops
