// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "ops/layout_offset.h"
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

Status infer(InferContext& c) {
  const std::string name = c.attributes().get_string("layout", "plain");
  if (!ir::parse_layout(name)) return c.error("no layout '" + name + "'");
  c.set_output(0, c.dtype(0), c.shape(0));
  if (c.contents(0)) c.set_contents(0, *c.contents(0));
  return Status::ok();
}

Status reference(const NodeFacts&, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  // The padding of blocked layouts is zero.
  const size_t bytes = ir::storage_bytes(y.dtype, *y.shape, y.layout);
  if (bytes != 0) std::memset(y.data, 0, bytes);
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_index(*x.shape, [&](const std::vector<int64_t>& index) {
      y.as<T>()[layout_offset(index, *x.shape, y.layout)] =
          x.as<const T>()[layout_offset(index, *x.shape, x.layout)];
    });
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& reorder_op() {
  static const OpDefinition kOp = {
      .name = "Reorder", .min_inputs = 1, .max_inputs = 1, .infer = infer, .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
