// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::SymbolicShape;

Status infer_scatter_elements(InferContext& c) {
  if (c.rank(0) != c.rank(1) || c.rank(0) != c.rank(2)) {
    return c.error("data " + ir::to_string(c.shape(0)) + ", indices " + ir::to_string(c.shape(1)) +
                   " and updates " + ir::to_string(c.shape(2)) + " differ in rank");
  }
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)).status());
  c.set_output(0, c.dtype(0), c.shape(0));
  return Status::ok();
}

Status infer_scatter_nd(InferContext& c) {
  const SymbolicShape& indices = c.shape(1);
  if (indices.empty() || !indices.back().is_constant() || indices.back().constant() > c.rank(0)) {
    return c.error("indices " + ir::to_string(indices) + " for data " + ir::to_string(c.shape(0)));
  }
  const int64_t rank = c.rank(1) - 1 + c.rank(0) - indices.back().constant();
  if (c.rank(2) != rank) {
    return c.error("updates of rank " + std::to_string(c.rank(2)) + " where " +
                   std::to_string(rank) + " is due");
  }
  c.set_output(0, c.dtype(0), c.shape(0));
  return Status::ok();
}

// Output 0 as a copy of input 0, unless they are one.
Result<TensorView> start_from_data(KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const auto bytes = static_cast<size_t>(x.count()) * size_of(x.dtype);
  if (bytes != 0 && x.data != y.data) std::memcpy(y.data, x.data, bytes);
  return y;
}

// Calls body(combine) where combine(T& at, T update) does what "reduction" says.
template <typename T, typename Body>
Status with_combiner(const std::string& reduction, Body&& body) {
  using C = Compute<T>;
  const auto apply = [&](auto fn) {
    return body([fn](T& at, T update) {
      at = static_cast<T>(static_cast<C>(fn(static_cast<C>(at), static_cast<C>(update))));
    });
  };
  if (reduction == "add") return apply([](C a, C b) { return a + b; });
  if (reduction == "mul") return apply([](C a, C b) { return a * b; });
  if (reduction == "min") return apply([](C a, C b) { return std::min(a, b); });
  if (reduction == "max") return apply([](C a, C b) { return std::max(a, b); });
  return {StatusCode::kUnsupported,
          "reduction '" + reduction + "'; there are none, add, mul, min and max"};
}

// scatter(type tag, combine) for the node's reduction; by size of element where there is none.
template <typename Scatter>
Status with_reduction(const NodeFacts& node, DataType dtype, Scatter&& scatter) {
  const std::string reduction = node.attributes.get_string("reduction", "none");
  if (reduction == "none") {
    return dispatch_size(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      return scatter(tag, [](T& at, T update) { at = update; });
    });
  }
  return dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    return with_combiner<T>(reduction, [&](auto combine) { return scatter(tag, combine); });
  });
}

Status run_scatter_elements(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const Shape& shape = *run.input(1).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                         static_cast<int64_t>(x.size())));
  bool fits = shape == *run.input(2).shape && shape.size() == x.size();
  for (size_t d = 0; fits && d < x.size(); ++d) {
    fits = static_cast<int64_t>(d) == axis || shape[d] <= x[d];
  }
  if (!fits) {
    return {StatusCode::kInvalidArgument, "indices " + to_string(shape) + " and updates " +
                                              to_string(*run.input(2).shape) + " for data " +
                                              to_string(x)};
  }
  const std::vector<int64_t> indices = read_int64s(run.input(1));
  for (int64_t index : indices) PENSTOCK_RETURN_IF_ERROR(wrap_index(index, x[axis]).status());
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, start_from_data(run));
  const std::vector<int64_t> strides = strides_of(x);
  return with_reduction(node, y.dtype, [&](auto tag, auto combine) {
    using T = typename decltype(tag)::type;
    const T* updates = run.input(2).as<const T>();
    size_t next = 0;
    for_each_index(shape, [&](std::vector<int64_t> index) {
      index[axis] = indices[next] < 0 ? indices[next] + x[axis] : indices[next];
      combine(y.as<T>()[dot(index, strides)], updates[next++]);
    });
    return Status::ok();
  });
}

Status run_scatter_nd(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const NdFacts facts = nd_facts(x, *run.input(1).shape, 0);
  if (run.input(2).count() != facts.tuples * facts.slice) {
    return {StatusCode::kInvalidArgument, "updates " + to_string(*run.input(2).shape) +
                                              " for indices " + to_string(*run.input(1).shape) +
                                              " and data " + to_string(x)};
  }
  const std::vector<int64_t> places = read_int64s(run.input(1));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, start_from_data(run));
  return with_reduction(node, y.dtype, [&](auto tag, auto combine) {
    using T = typename decltype(tag)::type;
    const T* updates = run.input(2).as<const T>();
    for (int64_t t = 0; t < facts.tuples; ++t) {
      PENSTOCK_ASSIGN_OR_RETURN(const int64_t offset,
                                nd_offset(facts, places.data() + t * facts.depth));
      for (int64_t i = 0; i < facts.slice; ++i) combine(y.as<T>()[offset + i], *updates++);
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& scatter_elements_op() {
  static const OpDefinition kOp = {.name = "ScatterElements",
                                   .min_inputs = 3,
                                   .max_inputs = 3,
                                   .infer = infer_scatter_elements,
                                   .reference = run_scatter_elements,
                                   .in_place = true};
  return kOp;
}

const OpDefinition& scatter_nd_op() {
  static const OpDefinition kOp = {.name = "ScatterND",
                                   .min_inputs = 3,
                                   .max_inputs = 3,
                                   .infer = infer_scatter_nd,
                                   .reference = run_scatter_nd,
                                   .in_place = true};
  return kOp;
}

}  // namespace penstock::ops
