// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

Status infer(InferContext& c) {
  c.set_output(0, c.dtype(0), c.shape(0));
  if (c.element(0) != nullptr) c.set_handle(0, c.dtype(0), *c.element(0));
  if (c.contents(0) != nullptr) c.set_contents(0, *c.contents(0));
  return Status::ok();
}

// For a graph output that would otherwise share memory with an input, a constant or another output.
Status reference(const backends::NodeFacts&, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  const size_t bytes = static_cast<size_t>(x.count()) * size_of(x.dtype);
  if (bytes > 0) std::memcpy(y.data, x.data, bytes);
  return Status::ok();
}

}  // namespace

const OpDefinition& copy_op() {
  static const OpDefinition kOp = {.name = "Copy",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer,
                                   .reference = reference,
                                   .takes_handles = true};
  return kOp;
}

}  // namespace penstock::ops
