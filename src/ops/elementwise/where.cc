// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/broadcast.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/infer.h"

namespace penstock::ops {
namespace {

Status infer_where(InferContext& context) {
  if (context.dtype(0) != DataType::kBool) {
    return context.error("the condition is " + std::string(to_string(context.dtype(0))) +
                         ", but must be bool");
  }
  PENSTOCK_RETURN_IF_ERROR(check_same_type(context, 1, 2));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, broadcast_inputs(context));
  context.set_output(0, context.dtype(1), std::move(shape));
  propagate_contents(context, {0, 1, 2}, [](const auto& x) -> std::optional<ir::Dim> {
    if (x[1] == x[2]) return x[1];
    if (!x[0].is_constant()) return std::nullopt;
    return x[0].constant() != 0 ? x[1] : x[2];
  });
  return Status::ok();
}

Status where_reference(const backends::NodeFacts&, backends::KernelRun& run) {
  const backends::TensorView& condition = run.input(0);
  const backends::TensorView& a = run.input(1);
  const backends::TensorView& b = run.input(2);
  PENSTOCK_ASSIGN_OR_RETURN(Shape shape, broadcast_shapes(*a.shape, *b.shape));
  PENSTOCK_ASSIGN_OR_RETURN(shape, broadcast_shapes(*condition.shape, shape));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const BroadcastLoop loop = broadcast_loop(shape, {condition.shape, a.shape, b.shape});
  const int64_t n = loop.extents.back();
  const int64_t steps[] = {loop.strides[0].back(), loop.strides[1].back(), loop.strides[2].back()};
  return dispatch_size(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_row(loop, [&](int64_t out, const std::vector<int64_t>& at) {
      const uint8_t* which = condition.as<const uint8_t>() + at[0];
      const T* from_a = a.as<const T>() + at[1];
      const T* from_b = b.as<const T>() + at[2];
      T* to = y.as<T>() + out;
      for (int64_t i = 0; i < n; ++i) {
        to[i] = which[i * steps[0]] != 0 ? from_a[i * steps[1]] : from_b[i * steps[2]];
      }
    });
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& where_op() {
  static const OpDefinition kOp = {.name = "Where",
                                   .min_inputs = 3,
                                   .max_inputs = 3,
                                   .infer = infer_where,
                                   .reference = where_reference};
  return kOp;
}

}  // namespace penstock::ops
