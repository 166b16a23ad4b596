// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

Status infer(InferContext& c) {
  c.set_output(0, c.dtype(0), c.shape(0));
  if (c.contents(0) != nullptr) c.set_contents(0, *c.contents(0));
  return Status::ok();
}

Status reference(const backends::NodeFacts&, backends::KernelRun& run) {
  return copy_as(run, *run.input(0).shape);
}

}  // namespace

// Never a view: it is there to give an output memory of its own.
const OpDefinition& copy_op() {
  static const OpDefinition kOp = {
      .name = "Copy", .min_inputs = 1, .max_inputs = 1, .infer = infer, .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
