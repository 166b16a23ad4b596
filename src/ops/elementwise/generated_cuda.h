// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cuda_tactic.h"
#include "ops/elementwise/cuda_expression.h"
#include "ops/epilogue.h"

namespace penstock::ops {

// The launch of an elementwise node (Pointwise, Add, Cast, ...) as a kernel written for its
// expression and types and compiled with NVRTC: shapes and strides are arguments, so every shape of
// a node runs the same code. Operands lie as the node says, row-major or as its output.
Result<CudaLaunch> bind_elementwise(const backends::NodeFacts& node);
// The same for an expression that is given, of the node's operands.
Result<CudaLaunch> bind_elementwise(const CudaExpression& expression,
                                    const backends::NodeFacts& node);

// An epilogue as a kernel of its own, after the one that wrote the result: what a library's kernel
// does not do itself.
class CudaEpilogue {
 public:
  CudaEpilogue() = default;
  static Result<CudaEpilogue> bind(const backends::NodeFacts& node, const Epilogue& epilogue);

  // Over the result at `result`, which has the type, shape and layout of the node's output.
  Status run(backends::KernelRun& run, void* result, cudaStream_t stream) const {
    return launch_ == nullptr ? Status::ok() : launch_(run, result, stream);
  }

 private:
  std::function<Status(backends::KernelRun& run, void* result, cudaStream_t stream)> launch_;
};

}  // namespace penstock::ops
