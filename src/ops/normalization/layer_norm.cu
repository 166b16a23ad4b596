// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_math.cuh"
#include "ops/normalization/normalization_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kRowsPerBlock = 4;  // of kernels with a warp for each row

// The row that this thread works on, the threads that share it, and their sums.
template <bool kWarpRow>
struct RowThreads {
  __device__ static int64_t row_index() {
    return kWarpRow ? static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y : blockIdx.x;
  }
  __device__ static float sum(float value) {
    return kWarpRow ? warp_reduce(value, AddOp()) : block_reduce(value, 0.0f, AddOp());
  }
};

// A row in registers: each thread holds Packs times Width elements.
template <typename T, typename S, int Width, int Packs, bool kWarpRow>
__global__ void layer_norm_rows(const LayerNormArguments a) {
  const int64_t row = RowThreads<kWarpRow>::row_index();
  if (row >= a.rows) return;  // a whole warp, or a whole block
  const int columns = static_cast<int>(a.columns);
  const int64_t first = row * a.columns;
  const T* x = static_cast<const T*>(a.x) + first;
  float values[Packs][Width];
  float total = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at < columns) load_floats<Width>(x + at, values[p]);
  }
  if (a.residual != nullptr) {
    const T* residual = static_cast<const T*>(a.residual) + first;
#pragma unroll
    for (int p = 0; p < Packs; ++p) {
      const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
      if (at >= columns) continue;
      float added[Width];
      load_floats<Width>(residual + at, added);
#pragma unroll
      for (int i = 0; i < Width; ++i) values[p][i] += added[i];
    }
  }
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
    if (a.sum != nullptr) store_floats<Width>(values[p], static_cast<T*>(a.sum) + first + at);
#pragma unroll
    for (int i = 0; i < Width; ++i) total += values[p][i];
  }
  const float count = static_cast<float>(columns);
  const float mean = a.is_rms ? 0.0f : RowThreads<kWarpRow>::sum(total) / count;
  float squares = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      values[p][i] -= mean;
      squares += values[p][i] * values[p][i];
    }
  }
  const float factor = rsqrtf(RowThreads<kWarpRow>::sum(squares) / count + a.epsilon);
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
    float scale[Width];
    load_floats<Width>(static_cast<const S*>(a.scale) + at, scale);
    float bias[Width] = {};
    if (a.bias != nullptr) load_floats<Width>(static_cast<const S*>(a.bias) + at, bias);
#pragma unroll
    for (int i = 0; i < Width; ++i) values[p][i] = values[p][i] * factor * scale[i] + bias[i];
    store_floats<Width>(values[p], static_cast<T*>(a.y) + first + at);
  }
}

// Rows of any length, read three times.
template <typename T, typename S>
__global__ void layer_norm_long(const LayerNormArguments a) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * a.columns;
  const T* x = static_cast<const T*>(a.x) + first;
  const T* residual = a.residual == nullptr ? nullptr : static_cast<const T*>(a.residual) + first;
  const auto value = [&](int64_t i) {
    return to_float(x[i]) + (residual == nullptr ? 0.0f : to_float(residual[i]));
  };
  float total = 0;
  for (int64_t i = threadIdx.x; i < a.columns && !a.is_rms; i += blockDim.x) total += value(i);
  const float count = static_cast<float>(a.columns);
  const float mean = a.is_rms ? 0.0f : block_reduce(total, 0.0f, AddOp()) / count;
  float squares = 0;
  for (int64_t i = threadIdx.x; i < a.columns; i += blockDim.x) {
    const float centred = value(i) - mean;
    squares += centred * centred;
  }
  const float factor = rsqrtf(block_reduce(squares, 0.0f, AddOp()) / count + a.epsilon);
  for (int64_t i = threadIdx.x; i < a.columns; i += blockDim.x) {
    const float scale = to_float(static_cast<const S*>(a.scale)[i]);
    const float bias = a.bias == nullptr ? 0.0f : to_float(static_cast<const S*>(a.bias)[i]);
    const float sum = value(i);
    if (a.sum != nullptr) static_cast<T*>(a.sum)[first + i] = from_float<T>(sum);
    static_cast<T*>(a.y)[first + i] = from_float<T>((sum - mean) * factor * scale + bias);
  }
}

bool is_vector(const LayerNormArguments& a, int width) {
  for (const void* address : {a.x, a.residual, a.scale, a.bias, static_cast<const void*>(a.sum),  //
                              static_cast<const void*>(a.y)}) {
    if (!is_aligned(address, 16)) return false;
  }
  return a.columns % width == 0;
}

template <typename T, typename S>
void launch(const LayerNormArguments& a, cudaStream_t stream) {
  constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
  const bool vector = is_vector(a, kWidth);
  const int64_t packs = a.columns / kWidth;
  const auto rows = static_cast<unsigned>(a.rows);
  if (vector && packs <= 4 * kWarp) {
    const dim3 block(kWarp, kRowsPerBlock);
    const unsigned blocks = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
    if (packs <= kWarp) {
      layer_norm_rows<T, S, kWidth, 1, true><<<blocks, block, 0, stream>>>(a);
    } else {
      layer_norm_rows<T, S, kWidth, 4, true><<<blocks, block, 0, stream>>>(a);
    }
  } else if (vector && packs <= 2 * 1024) {
    const auto threads = static_cast<unsigned>((packs / 2 + kWarp) / kWarp * kWarp);
    layer_norm_rows<T, S, kWidth, 2, false><<<rows, std::min(threads, 1024u), 0, stream>>>(a);
  } else {
    const unsigned threads = a.columns <= 256 ? 64 : a.columns <= 4096 ? 256 : 1024;
    layer_norm_long<T, S><<<rows, threads, 0, stream>>>(a);
  }
}

}  // namespace

void launch_layer_norm(const LayerNormArguments& arguments, cudaStream_t stream) {
  if (arguments.rows == 0 || arguments.columns == 0) return;
  dispatch_float(arguments.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (arguments.scale_type == arguments.type) {
      launch<T, T>(arguments, stream);
    } else {
      launch<T, float>(arguments, stream);
    }
  });
}

}  // namespace penstock::ops
