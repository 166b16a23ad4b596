// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/elementwise/element_types.h"
#include "ops/elementwise/infer.h"

namespace penstock::ops {

// y[i] = f(x[i]), where f is what kMake(attributes) gives: a function over float, double, integers
// or bool. 16-bit floats are computed in float.
template <Elements kSet, auto kMake>
Status unary_reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  return dispatch_elements<kSet>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto f = kMake(node.attributes);
    const int64_t n = x.count();
    const T* from = x.as<const T>();
    using Y = std::conditional_t<std::is_same_v<decltype(f(Compute<T>())), bool>, bool, T>;
    Y* to = y.as<Y>();
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<Y>(f(static_cast<Compute<T>>(from[i])));
  });
}

template <Elements kSet>
Status infer_unary(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_elements<kSet>(context.dtype(0)));
  context.set_output(0, context.dtype(0), context.shape(0));
  return Status::ok();
}

// An operator with attributes: kMake(attributes) gives the function.
template <Elements kSet, auto kMake>
constexpr OpDefinition unary_with(std::string_view name) {
  OpDefinition op;
  op.name = name;
  op.min_inputs = op.max_inputs = 1;
  op.infer = infer_unary<kSet>;
  op.reference = unary_reference<kSet, kMake>;
  op.in_place = true;
  return op;
}

// An operator without: kFunction is the function.
template <Elements kSet, auto kFunction>
constexpr OpDefinition unary(std::string_view name) {
  return unary_with<kSet, [](const ir::Attributes&) { return kFunction; }>(name);
}

}  // namespace penstock::ops
