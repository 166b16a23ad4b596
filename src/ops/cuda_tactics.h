// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// Own kernels of the CUDA backend, a list a family.
TacticList movement_cuda_tactics();
TacticList pixel_cuda_tactics();
TacticList indexing_cuda_tactics();
TacticList embedding_cuda_tactics();
TacticList mlp_cuda_tactics();
TacticList normalization_cuda_tactics();
TacticList reduction_cuda_tactics();
TacticList convolution_cuda_tactics();
TacticList vision_cuda_tactics();
TacticList attention_cuda_tactics();
TacticList quantized_cuda_tactics();
// Kernels written for a node and compiled with NVRTC.
TacticList generated_cuda_tactics();
TacticList quantize_cuda_tactics();
// Kernels of NVIDIA's libraries.
const backends::Tactic& cublaslt_matmul();
const backends::Tactic& cublaslt_conv();
const backends::Tactic& cublaslt_mlp();
const backends::Tactic& cudnn_matmul();
const backends::Tactic& cudnn_conv();
const backends::Tactic& cudnn_attention();
const backends::Tactic& cudnn_quantized_conv();
const backends::Tactic& cudnn_quantized_matmul();

}  // namespace penstock::ops
