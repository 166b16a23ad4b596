// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::SymbolicShape;

Status infer(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, InferContext::normalize_axis(
                                                    c.attributes().get_int("axis", -1), c.rank(0)));
  const auto known = known_ints(c, "k", 1);
  const auto k = known ? std::vector<ir::Dim>(known->begin(), known->end())
                       : c.dims_parameter("k", 1).value_or(std::vector<ir::Dim>());
  SymbolicShape shape = c.shape(0);
  const ir::Dim extent = shape[axis];
  shape[axis] = k.size() == 1 ? k.front() : c.fresh_symbol();
  if (shape[axis].is_constant() && extent.is_constant() &&
      (shape[axis].constant() < 0 || shape[axis].constant() > extent.constant())) {
    return c.error("k = " + shape[axis].to_string() + " of an axis of " + extent.to_string());
  }
  c.set_output(0, c.dtype(0), shape);
  c.set_output(1, DataType::kInt64, std::move(shape));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TopKFacts facts, top_k_facts(node, run));
  const bool largest = node.attributes.get_int("largest", 1) != 0;
  return dispatch(run.input(0).dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    T* values = nullptr;
    int64_t* indices = nullptr;
    if (run.has_output(0)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, facts.shape));
      values = y.as<T>();
    }
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(1, facts.shape));
      indices = y.as<int64_t>();
    }
    std::vector<int64_t> order(static_cast<size_t>(facts.extent));
    for (int64_t line = 0; line < facts.outer * facts.inner; ++line) {
      const int64_t o = line / facts.inner;
      const int64_t i = line % facts.inner;
      const T* x = run.input(0).as<const T>() + o * facts.extent * facts.inner + i;
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return is_better(static_cast<C>(x[a * facts.inner]), static_cast<C>(x[b * facts.inner]),
                         largest);
      });
      for (int64_t n = 0; n < facts.k; ++n) {
        const int64_t to = (o * facts.k + n) * facts.inner + i;
        if (values != nullptr) values[to] = x[order[n] * facts.inner];
        if (indices != nullptr) indices[to] = order[n];
      }
    }
    return Status::ok();
  });
}

}  // namespace

Result<TopKFacts> top_k_facts(const NodeFacts& node, const KernelRun& run) {
  TopKFacts facts;
  facts.shape = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(facts.axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(facts.shape.size())));
  for (int64_t d = 0; d < static_cast<int64_t>(facts.shape.size()); ++d) {
    (d < facts.axis ? facts.outer : d == facts.axis ? facts.extent : facts.inner) *= facts.shape[d];
  }
  facts.k = scalar_parameter(node, run, "k", 1, -1);
  if (facts.k < 0 || facts.k > facts.extent) {
    return Status(
        StatusCode::kInvalidArgument,
        "k = " + std::to_string(facts.k) + " of an axis of " + std::to_string(facts.extent));
  }
  facts.shape[facts.axis] = facts.k;
  return facts;
}

const OpDefinition& top_k_op() {
  static const OpDefinition kOp = {.name = "TopK",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .outputs = 2,
                                   .infer = infer,
                                   .reference = reference,
                                   .parameters = {{1, "k"}}};
  return kOp;
}

}  // namespace penstock::ops
