// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backends/cuda/cudnn_graph.h"
#include "ops/elementwise/generated_cuda.h"
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

// A prepared graph of a product with such an epilogue: inputs 0 and 1 are multiplied, input 2 is
// the bias; input `scale` the scales, where it is not negative; `rest` runs over the result, output
// 0, of this shape.
std::unique_ptr<backends::Kernel> make_cudnn_kernel(
    std::unique_ptr<backends::cuda::CudnnGraph> graph,
    const backends::cuda::CudnnEpilogue& epilogue, int residual, CudaEpilogue rest, Shape shape,
    int scale = -1);
// False where cuDNN's epilogues have no such step.
bool take_activation(const EpilogueStep& step, backends::cuda::CudnnEpilogue& inside);

}  // namespace penstock::ops
