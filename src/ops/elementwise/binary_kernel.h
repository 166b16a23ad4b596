// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/elementwise/broadcast.h"
#include "ops/elementwise/element_types.h"
#include "ops/elementwise/infer.h"

namespace penstock::ops {

// y = f(a, b), broadcast, where f is what kMake(attributes) gives: a function over two numbers of
// one type that returns that type or bool.
template <Elements kSet, auto kMake>
Status binary_reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  const backends::TensorView& a = run.input(0);
  const backends::TensorView& b = run.input(1);
  PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, broadcast_shapes(*a.shape, *b.shape));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const BroadcastLoop loop = broadcast_loop(shape, {a.shape, b.shape});
  return dispatch_elements<kSet>(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto f = kMake(node.attributes);
    using C = Compute<T>;
    using Y = std::conditional_t<std::is_same_v<decltype(f(C(), C())), bool>, bool, T>;
    map_binary(loop, a.as<const T>(), b.as<const T>(), y.as<Y>(), f);
  });
}

// Two inputs of one type, broadcast; the output has `result`, or the inputs' type where undefined.
template <Elements kSet>
Status infer_binary(InferContext& context, DataType result = DataType::kUndefined) {
  PENSTOCK_RETURN_IF_ERROR(check_elements<kSet>(context.dtype(0)));
  PENSTOCK_RETURN_IF_ERROR(check_same_type(context, 0, 1));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, broadcast_inputs(context));
  context.set_output(0, result == DataType::kUndefined ? context.dtype(0) : result,
                     std::move(shape));
  return Status::ok();
}

template <Elements kSet, auto kMake>
constexpr OpDefinition binary_with(std::string_view name, Status (*infer)(InferContext&)) {
  OpDefinition op;
  op.name = name;
  op.min_inputs = op.max_inputs = 2;
  op.infer = infer;
  op.reference = binary_reference<kSet, kMake>;
  op.in_place = true;  // where shapes and types agree
  return op;
}

template <Elements kSet, auto kFunction>
constexpr OpDefinition binary(std::string_view name, Status (*infer)(InferContext&)) {
  return binary_with<kSet, [](const ir::Attributes&) { return kFunction; }>(name, infer);
}

}  // namespace penstock::ops
