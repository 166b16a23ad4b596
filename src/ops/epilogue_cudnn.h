// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/cudnn_graph.h"
#include "ops/epilogue.h"

namespace penstock::ops {

// An epilogue as the part of it that cuDNN computes in the same kernel, and the rest.
struct CudnnFusion {
  backends::cuda::CudnnEpilogue inside;
  int residual = -1;  // the input that is added inside
  Epilogue rest;
};

// Takes an addition of a tensor that lies as output 0 does, then an activation. The bias is the
// caller's to set.
CudnnFusion fuse_with_cudnn(const backends::NodeFacts& node, const Epilogue& steps);

}  // namespace penstock::ops
