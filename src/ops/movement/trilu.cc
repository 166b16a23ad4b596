// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

Status infer(InferContext& c) {
  if (c.rank(0) < 2) return c.error("takes matrices, not " + ir::to_string(c.shape(0)));
  c.set_output(0, c.dtype(0), c.shape(0));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  const bool upper = node.attributes.get_int("upper", 1) != 0;
  const int64_t k = scalar_parameter(node, run, "k", 1, 0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.as<const T>();
    T* to = y.as<T>();
    for_each_index(*x.shape, [&](const std::vector<int64_t>& index) {
      const int64_t diagonal = index.back() - index[index.size() - 2];
      const bool keep = upper ? diagonal >= k : diagonal <= k;
      *to++ = keep ? *from : T{};
      ++from;
    });
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& trilu_op() {
  static const OpDefinition kOp = {.name = "Trilu",
                                   .min_inputs = 1,
                                   .max_inputs = 2,
                                   .infer = infer,
                                   .reference = reference,
                                   .parameters = {{1, "k"}}};
  return kOp;
}

}  // namespace penstock::ops
