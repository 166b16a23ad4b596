// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/device_types.cuh"
#include "ops/attention/attention_cuda.h"

namespace penstock::ops {
namespace {

using backends::cuda::from_float;
using backends::cuda::to_float;

constexpr int kWarps = 8;  // queries of a block
constexpr int kTile = 32;  // keys that a block holds at once, one a lane

__device__ float warp_max(float x) {
  for (int step = 16; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(~0u, x, step));
  return x;
}

__device__ float warp_sum(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(~0u, x, step);
  return x;
}

// What the mask adds to a score: -inf hides the key.
__device__ float mask_value(const CudaAttentionArguments& a, int b, int h, int i, int j) {
  if (a.mask == nullptr) return 0.0f;
  const int64_t at = b % a.mask_batches * a.mask_strides[0] + h * a.mask_strides[1] +
                     i * a.mask_strides[2] + j * a.mask_strides[3];
  switch (a.mask_dtype) {
    case DataType::kBool: return static_cast<const uint8_t*>(a.mask)[at] != 0 ? 0.0f : -INFINITY;
    case DataType::kFloat16: return to_float(static_cast<const __half*>(a.mask)[at]);
    case DataType::kBFloat16: return to_float(static_cast<const __nv_bfloat16*>(a.mask)[at]);
    default: return static_cast<const float*>(a.mask)[at];
  }
}

template <typename T>
__device__ void load_tile(const T* rows, int64_t row_stride, int first, int count, int size,
                          int pitch, float* tile) {
  for (int at = threadIdx.x; at < kTile * size; at += blockDim.x) {
    const int row = at / size;
    const int column = at - row * size;
    const bool inside = first + row < count;
    tile[row * pitch + column] =
        inside ? to_float(rows[(first + row) * row_stride + column]) : 0.0f;
  }
}

// Softmax over the keys as they come (Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018).
template <typename T>
__global__ void attention_kernel(const __grid_constant__ CudaAttentionArguments a) {
  extern __shared__ float shared[];
  const int key_pitch = a.head_size + 1;  // lanes read a column of different rows
  float* keys = shared;
  float* values = keys + kTile * key_pitch;
  float* queries = values + kTile * a.value_size;

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int h = blockIdx.y;
  const int b = blockIdx.z;
  const int i = blockIdx.x * kWarps + warp;
  const bool is_query = i < a.queries;

  const T* q = static_cast<const T*>(a.q) + b * a.q_rows.batch + h * a.q_rows.head;
  const T* k = static_cast<const T*>(a.k) + b * a.k_rows.batch + h * a.k_rows.head;
  const T* v = static_cast<const T*>(a.v) + b * a.v_rows.batch + h * a.v_rows.head;
  float* query = queries + warp * a.head_size;
  for (int d = lane; is_query && d < a.head_size; d += 32) {
    query[d] = to_float(q[i * a.q_rows.row + d]) * a.scale;
  }

  constexpr int kMostColumns = kCudaAttentionLargestHead / 32;
  float sums[kMostColumns] = {};
  float most = -INFINITY;
  float total = 0.0f;
  const int last_key = a.causal ? i + a.keys - a.queries : a.keys - 1;
  for (int first = 0; first < a.keys; first += kTile) {
    __syncthreads();
    load_tile(k, a.k_rows.row, first, a.keys, a.head_size, key_pitch, keys);
    load_tile(v, a.v_rows.row, first, a.keys, a.value_size, a.value_size, values);
    __syncthreads();
    if (!is_query) continue;
    const int j = first + lane;
    float score = -INFINITY;
    if (j < a.keys && j <= last_key) {
      float dot = 0.0f;
      const float* key = keys + lane * key_pitch;
      for (int d = 0; d < a.head_size; ++d) dot += query[d] * key[d];
      score = dot + mask_value(a, b, h, i, j);
    }
    const float next = fmaxf(most, warp_max(score));
    if (next == -INFINITY) continue;  // nothing seen yet
    const float correction = __expf(most - next);
    const float weight = __expf(score - next);
    total = total * correction + warp_sum(weight);
    most = next;
#pragma unroll
    for (int c = 0; c < kMostColumns; ++c) sums[c] *= correction;
    for (int t = 0; t < kTile; ++t) {
      const float w = __shfl_sync(~0u, weight, t);
#pragma unroll
      for (int c = 0; c < kMostColumns; ++c) {
        const int column = c * 32 + lane;
        if (column < a.value_size) sums[c] += w * values[t * a.value_size + column];
      }
    }
  }
  if (!is_query) return;
  T* out = static_cast<T*>(a.out) + b * a.out_rows.batch + h * a.out_rows.head +
           i * a.out_rows.row;
  const bool is_hidden = total == 0.0f;  // no key at all: 0 / 0, as the formula says
#pragma unroll
  for (int c = 0; c < kMostColumns; ++c) {
    const int column = c * 32 + lane;
    if (column >= a.value_size) continue;
    out[column] = from_float<T>(is_hidden ? (a.nan_to_zero ? 0.0f : NAN) : sums[c] / total);
  }
}

}  // namespace

void launch_attention(const CudaAttentionArguments& a, cudaStream_t stream) {
  const size_t shared =
      sizeof(float) * (kTile * (a.head_size + 1) + kTile * a.value_size + kWarps * a.head_size);
  const dim3 grid((a.queries + kWarps - 1) / kWarps, a.heads, a.batch);
  backends::cuda::dispatch_float(a.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (shared > 48 * 1024) {
      (void)cudaFuncSetAttribute(attention_kernel<T>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared));
    }
    attention_kernel<T><<<grid, kWarps * 32, shared, stream>>>(a);
  });
}

}  // namespace penstock::ops
