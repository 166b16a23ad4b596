// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Rows of embeddings and dense features put together, as kernels of the device read them.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

#include "ops/indexing/embedding_pieces.h"

namespace penstock::ops {

struct CudaEmbeddingPiece {
  const void* data = nullptr;
  const void* indices = nullptr;     // null: dense
  const int64_t* offsets = nullptr;  // or null
  int64_t extent = 0;                // rows of the table
  int32_t first_unit = 0;            // of a row; a unit is what a thread moves
  int32_t first_column = 0;
  int32_t width = 0;         // columns of a lookup
  int32_t index_stride = 0;  // indices between rows
  int32_t first_index = 0;
  DataType dtype = DataType::kFloat32;
  bool wide_indices = true;  // int64, else int32
  bool one_offset = false;   // for all lookups
  bool whole_units = false;  // of 16 bytes that are copied as they are; else of one element
};

struct CudaEmbeddingRows {
  CudaEmbeddingPiece pieces[kMostEmbeddingPieces];
  int32_t count = 0;
  int32_t units = 0;          // of a row
  int32_t aligned_units = 0;  // the first of them, which are whole and lie at multiples of 16 bytes
  int32_t columns = 0;
  int64_t rows = 0;
};

// The pieces of a node without their addresses; rows of `dtype` are made of them. An error where
// kernels do not take them.
Result<CudaEmbeddingRows> cuda_embedding_rows(const backends::NodeFacts& node,
                                              const EmbeddingPieces& pieces, DataType dtype);
// The same with addresses, and with them what is moved at once: pieces of aligned units in front.
CudaEmbeddingRows place_embedding_rows(const EmbeddingPieces& pieces,
                                       const backends::KernelRun& run, DataType dtype,
                                       const CudaEmbeddingRows& bound);

// y [rows, stride] of `dtype`, float32, float16 or bfloat16: zeros behind the columns of a row.
void launch_embedding_concat(const CudaEmbeddingRows& rows, DataType dtype, void* y, int64_t stride,
                             cudaStream_t stream);

}  // namespace penstock::ops
