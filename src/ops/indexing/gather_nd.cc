// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::SymbolicShape;

Status infer(InferContext& c) {
  const int64_t batch_dims = c.attributes().get_int("batch_dims");
  const SymbolicShape& data = c.shape(0);
  const SymbolicShape& indices = c.shape(1);
  if (indices.empty() || !indices.back().is_constant()) {
    return c.error("the last extent of the indices must be known, not " + ir::to_string(indices));
  }
  const int64_t depth = indices.back().constant();
  if (batch_dims < 0 || batch_dims >= c.rank(1) || depth < 0 || batch_dims + depth > c.rank(0)) {
    return c.error("indices " + ir::to_string(indices) + " with " + std::to_string(batch_dims) +
                   " batch dimensions for data " + ir::to_string(data));
  }
  SymbolicShape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), data.begin() + batch_dims + depth, data.end());
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  const int64_t batch_dims = node.attributes.get_int("batch_dims");
  const backends::TensorView& x = run.input(0);
  const Shape& indices = *run.input(1).shape;
  if (!std::equal(indices.begin(), indices.begin() + batch_dims, x.shape->begin())) {
    return {StatusCode::kInvalidArgument, "indices " + to_string(indices) + " and data " +
                                              to_string(*x.shape) +
                                              " differ in their batch dimensions"};
  }
  const NdFacts facts = nd_facts(*x.shape, indices, batch_dims);
  Shape shape(indices.begin(), indices.end() - 1);
  shape.insert(shape.end(), x.shape->begin() + batch_dims + facts.depth, x.shape->end());
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const std::vector<int64_t> places = read_int64s(run.input(1));
  const int64_t batch_size = element_count(facts.limits) * facts.slice;
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t t = 0; t < facts.batches * facts.tuples; ++t) {
      PENSTOCK_ASSIGN_OR_RETURN(const int64_t offset,
                                nd_offset(facts, places.data() + t * facts.depth));
      const T* from = x.as<const T>() + t / facts.tuples * batch_size + offset;
      std::copy_n(from, facts.slice, y.as<T>() + t * facts.slice);
    }
    return Status::ok();
  });
}

}  // namespace

NdFacts nd_facts(const Shape& data, const Shape& indices, int64_t batch_dims) {
  NdFacts facts;
  facts.depth = indices.back();
  facts.batches = element_count(Shape(indices.begin(), indices.begin() + batch_dims));
  facts.tuples = element_count(Shape(indices.begin() + batch_dims, indices.end() - 1));
  const auto first = data.begin() + batch_dims;
  facts.limits.assign(first, first + facts.depth);
  facts.slice = element_count(Shape(first + facts.depth, data.end()));
  return facts;
}

Result<int64_t> nd_offset(const NdFacts& facts, const int64_t* tuple) {
  int64_t offset = 0;
  for (int64_t d = 0; d < facts.depth; ++d) {
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t place, wrap_index(tuple[d], facts.limits[d]));
    offset = offset * facts.limits[d] + place;
  }
  return offset * facts.slice;
}

const OpDefinition& gather_nd_op() {
  static const OpDefinition kOp = {
      .name = "GatherND", .min_inputs = 2, .max_inputs = 2, .infer = infer, .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
