// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::Dim;

// Exporters make ranges out of the places of a tensor filled with ones: all of them count.
bool is_filled_with_non_zero(const ir::Value& value) {
  if (value.producer == nullptr || value.producer->op != "ConstantOfShape") return false;
  return value.producer->attributes.get_int("value") != 0 ||
         value.producer->attributes.get_float("value") != 0;
}

Status infer_non_zero(InferContext& c) {
  if (is_filled_with_non_zero(*c.node().inputs[0])) {
    c.set_output(0, DataType::kInt64, {c.rank(0), ir::element_count(c.shape(0))});
    return Status::ok();
  }
  const auto known = c.contents(0) ? constants_of(*c.contents(0)) : std::nullopt;
  if (!known || c.rank(0) != 1) {
    c.set_output(0, DataType::kInt64, {c.rank(0), c.fresh_symbol()});
    return Status::ok();
  }
  std::vector<Dim> places;
  for (size_t i = 0; i < known->size(); ++i) {
    if ((*known)[i] != 0) places.emplace_back(static_cast<int64_t>(i));
  }
  c.set_output(0, DataType::kInt64, {1, static_cast<int64_t>(places.size())});
  c.set_contents(0, std::move(places));
  return Status::ok();
}

Status run_non_zero(const NodeFacts&, KernelRun& run) {
  const TensorView& x = run.input(0);
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<int64_t> places;
    for (int64_t i = 0; i < x.count(); ++i) {
      if (static_cast<Compute<T>>(x.as<const T>()[i]) != Compute<T>(0)) places.push_back(i);
    }
    const auto rank = static_cast<int64_t>(x.shape->size());
    const auto count = static_cast<int64_t>(places.size());
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {rank, count}));
    const std::vector<int64_t> strides = strides_of(*x.shape);
    for (int64_t d = 0; d < rank; ++d) {
      for (int64_t i = 0; i < count; ++i) {
        y.as<int64_t>()[d * count + i] = places[i] / strides[d] % (*x.shape)[d];
      }
    }
    return Status::ok();
  });
}

Status infer_compress(InferContext& c) {
  const auto condition = c.contents(1) ? constants_of(*c.contents(1)) : std::nullopt;
  const Dim count = condition ? Dim(static_cast<int64_t>(condition->size()) -
                                    std::count(condition->begin(), condition->end(), 0))
                              : c.fresh_symbol();
  if (!c.attributes().has("axis")) {
    c.set_output(0, c.dtype(0), {count});
    return Status::ok();
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis, InferContext::normalize_axis(c.attributes().get_int("axis"), c.rank(0)));
  ir::SymbolicShape shape = c.shape(0);
  shape[axis] = count;
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_compress(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  Shape shape = {x.count()};
  int64_t axis = 0;
  if (node.attributes.has("axis")) {
    shape = *x.shape;
    PENSTOCK_ASSIGN_OR_RETURN(axis,
                              InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                           static_cast<int64_t>(shape.size())));
  }
  const int64_t extent = shape[axis];
  const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  const int64_t inner = element_count(Shape(shape.begin() + axis + 1, shape.end()));
  std::vector<int64_t> kept;
  const std::vector<int64_t> condition = read_int64s(run.input(1));
  for (size_t i = 0; i < condition.size(); ++i) {
    if (condition[i] != 0) kept.push_back(static_cast<int64_t>(i));
  }
  if (!kept.empty() && kept.back() >= extent) return index_out_of_range(kept.back(), extent);
  shape[axis] = static_cast<int64_t>(kept.size());
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = y.as<T>();
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t place : kept) {
        to = std::copy_n(x.as<const T>() + (o * extent + place) * inner, inner, to);
      }
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& non_zero_op() {
  static const OpDefinition kOp = {.name = "NonZero",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_non_zero,
                                   .reference = run_non_zero};
  return kOp;
}

const OpDefinition& compress_op() {
  static const OpDefinition kOp = {.name = "Compress",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer_compress,
                                   .reference = run_compress};
  return kOp;
}

}  // namespace penstock::ops
