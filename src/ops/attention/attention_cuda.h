// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::ops {

// Where the rows of an operand are, in elements: row s of head h of batch item b begins at
// b * batch + h * head + s * row.
struct CudaAttentionRows {
  int64_t batch = 0;
  int64_t head = 0;
  int64_t row = 0;
};

// One fused attention (docs/core-operators.md) over device memory.
struct CudaAttentionArguments {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  const void* mask = nullptr;  // null: none
  void* out = nullptr;
  CudaAttentionRows q_rows, k_rows, v_rows, out_rows;
  int64_t mask_strides[4] = {};  // of batch item b % mask_batches, head, query, key
  int64_t mask_batches = 1;
  int batch = 0;
  int heads = 0;
  int queries = 0;
  int keys = 0;
  int head_size = 0;
  int value_size = 0;
  float scale = 1;
  bool causal = false;
  bool nan_to_zero = false;
  DataType dtype = DataType::kFloat32;
  DataType mask_dtype = DataType::kFloat32;
};

// Sizes of heads that the kernel below takes.
inline constexpr int kCudaAttentionLargestHead = 256;

// A query a warp, in float: any type, size and mask.
void launch_attention(const CudaAttentionArguments& arguments, cudaStream_t stream);

// On the tensor cores: float16 and bfloat16, heads of 32, 64 or 128 elements for keys and values
// alike, rows a multiple of 16 bytes apart. Other addresses than 16-byte aligned ones go to the
// kernel above.
bool takes_attention_mma(const CudaAttentionArguments& arguments);
// How the warps of a block share the work: which is fastest depends on the shapes and the card.
enum class AttentionVariant : uint8_t { kQueries, kManyQueries, kFewQueries };
void launch_attention_mma(const CudaAttentionArguments& arguments, AttentionVariant variant,
                          cudaStream_t stream);

}  // namespace penstock::ops
