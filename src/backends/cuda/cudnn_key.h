// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/cudnn_graph.h"
#include "backends/device_code.h"

namespace penstock::backends::cuda {

// Of the device code of a graph with this engine, for the calling thread's device.
CodeKey cudnn_key(const CudnnConvolution& convolution, int engine);
CodeKey cudnn_key(const CudnnMatMul& product, int engine);
CodeKey cudnn_key(const CudnnAttention& attention, int engine);

}  // namespace penstock::backends::cuda
