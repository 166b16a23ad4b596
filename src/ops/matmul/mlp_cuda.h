// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// A chain of small matrix products in one launch, on the tensor cores. The weights of all layers
// stay in shared memory, spread by columns over the blocks of a cluster, which send the results of
// a layer to each other. For devices of compute capability 9.0 and later.
#pragma once

#include "ops/epilogue.h"
#include "ops/indexing/embedding_cuda.h"

namespace penstock::ops {

constexpr int kMostMlpLayers = 8;
constexpr int kMlpTileColumns = 8;  // of the instruction mma.m16n8k16
constexpr int kMlpTileDepth = 32;   // of two of them: a lane reads 16 bytes of weights
constexpr int kMlpTileBytes = kMlpTileColumns * kMlpTileDepth * 2;
constexpr int kMlpTileRows = 16;
constexpr int kMostMlpCluster = 8;  // blocks; what every device with clusters has

struct CudaMlpLayer {
  const void* weights = nullptr;  // packed: [rank, tile, depth, lane] of 16 bytes
  const void* bias = nullptr;     // or null
  int32_t columns = 0;
  int32_t depth = 0;           // tiles of the rows of the weights
  int32_t tiles = 0;           // of its columns
  int32_t tiles_of_block = 0;  // the most that a block of the cluster has
  bool has_activation = false;
  EpilogueStep::Kind activation = EpilogueStep::Kind::kRelu;
  float a = 0, b = 0;  // of the activation
};

struct CudaMlp {
  CudaEmbeddingRows rows;
  CudaMlpLayer layers[kMostMlpLayers];
  int32_t count = 0;
  int32_t cluster = 1;      // blocks
  int32_t row_tiles = 1;    // that a cluster takes at once: 1 or 4
  int32_t strides[2] = {};  // elements of a row of the inputs of even layers, and of odd ones
  int32_t bias_floats = 0;  // of a block
  void* y = nullptr;
  DataType dtype = DataType::kFloat16;  // float16 or bfloat16
  DataType y_dtype = DataType::kFloat16;
  unsigned clusters = 1;  // of the grid
};

// Sets strides and bias_floats; the bytes of shared memory that a block needs.
int64_t lay_out_mlp(CudaMlp& mlp);
// Clusters that the device runs at once, 0 where it cannot; sets what the kernel needs.
int most_mlp_clusters(const CudaMlp& mlp, int64_t shared_bytes);
cudaError_t launch_mlp(const CudaMlp& mlp, int64_t shared_bytes, cudaStream_t stream);

}  // namespace penstock::ops
