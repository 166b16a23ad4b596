// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and LpNormalization.
#include <cmath>

#include "backends/cuda/launch_math.cuh"
#include "ops/normalization/normalization_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kRowsPerBlock = 4;  // of kernels with a warp for each row

template <bool kWarpRow, typename Op>
__device__ float reduce(float value, float identity, Op op) {
  return kWarpRow ? warp_reduce(value, op) : block_reduce(value, identity, op);
}

// A row in registers: each thread holds Packs times Width elements.
template <typename T, int Width, int Packs, bool kWarpRow>
__global__ void softmax_rows(const AxisNormArguments a) {
  const int64_t row =
      kWarpRow ? static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y : blockIdx.x;
  if (row >= a.outer) return;  // a whole warp, or a whole block
  const int columns = static_cast<int>(a.extent);
  const T* x = static_cast<const T*>(a.x) + row * a.extent;
  T* y = static_cast<T*>(a.y) + row * a.extent;
  float values[Packs][Width];
  float most = -INFINITY;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at < columns) load_floats<Width>(x + at, values[p]);
  }
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
#pragma unroll
    for (int i = 0; i < Width; ++i) most = fmaxf(most, values[p][i]);
  }
  most = reduce<kWarpRow>(most, -INFINITY, MaxOp());
  const bool is_log = a.kind == AxisNorm::kLogSoftmax;
  float sum = 0;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const float shifted = values[p][i] - most;
      const float power = expf(shifted);
      sum += power;
      values[p][i] = is_log ? shifted : power;
    }
  }
  sum = reduce<kWarpRow>(sum, 0.0f, AddOp());
  const float factor = is_log ? 1.0f : 1.0f / sum;
  const float shift = is_log ? logf(sum) : 0.0f;
#pragma unroll
  for (int p = 0; p < Packs; ++p) {
    const int at = static_cast<int>(p * blockDim.x + threadIdx.x) * Width;
    if (at >= columns) continue;
#pragma unroll
    for (int i = 0; i < Width; ++i) values[p][i] = values[p][i] * factor - shift;
    store_floats<Width>(values[p], y + at);
  }
}

// Combined over threadIdx.y; every thread gets the result of its column. Room for a float each.
template <typename Op>
__device__ float reduce_column(float value, float* room, Op op) {
  const unsigned mine = threadIdx.y * blockDim.x + threadIdx.x;
  __syncthreads();  // an earlier call may still be read
  room[mine] = value;
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) room[mine] = op(room[mine], room[mine + half * blockDim.x]);
  }
  __syncthreads();
  return room[threadIdx.x];
}

// Columns of [outer, extent, inner]: blockDim.x of them in a block, blockDim.y threads (a power of
// two) to a column. Lines of any length.
template <typename T>
__global__ void axis_norm_columns(const AxisNormArguments a, int64_t tiles) {
  __shared__ float room[1024];
  const int64_t outer = blockIdx.x / tiles;
  const int64_t column = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  const bool inside = column < a.inner;
  const int64_t first = outer * a.extent * a.inner + (inside ? column : 0);
  const T* x = static_cast<const T*>(a.x) + first;
  T* y = static_cast<T*>(a.y) + first;
  float factor = 1;
  float shift = 0;
  if (a.kind == AxisNorm::kSoftmax || a.kind == AxisNorm::kLogSoftmax) {
    float most = -INFINITY;
    for (int64_t i = threadIdx.y; i < a.extent; i += blockDim.y) {
      most = fmaxf(most, to_float(x[i * a.inner]));
    }
    most = reduce_column(most, room, MaxOp());
    float sum = 0;
    for (int64_t i = threadIdx.y; i < a.extent; i += blockDim.y) {
      sum += expf(to_float(x[i * a.inner]) - most);
    }
    sum = reduce_column(sum, room, AddOp());
    const bool is_log = a.kind == AxisNorm::kLogSoftmax;
    shift = most;
    factor = is_log ? logf(sum) : 1.0f / sum;
  } else {
    float sum = 0;
    for (int64_t i = threadIdx.y; i < a.extent; i += blockDim.y) {
      const float value = to_float(x[i * a.inner]);
      sum += a.kind == AxisNorm::kL1 ? fabsf(value) : value * value;
    }
    sum = reduce_column(sum, room, AddOp());
    const float norm = a.kind == AxisNorm::kL1 ? sum : sqrtf(sum);
    factor = norm == 0.0f ? 1.0f : norm;  // a line of zeros stays one
  }
  if (!inside) return;
  for (int64_t i = threadIdx.y; i < a.extent; i += blockDim.y) {
    const float value = to_float(x[i * a.inner]);
    const float result = a.kind == AxisNorm::kSoftmax      ? expf(value - shift) * factor
                         : a.kind == AxisNorm::kLogSoftmax ? value - shift - factor
                                                           : value / factor;
    y[i * a.inner] = from_float<T>(result);
  }
}

template <typename T, int Width>
bool launch_rows(const AxisNormArguments& a, cudaStream_t stream) {
  if (a.extent % Width != 0 || (Width > 1 && !(is_aligned(a.x, 16) && is_aligned(a.y, 16)))) {
    return false;
  }
  const int64_t packs = a.extent / Width;
  const auto rows = static_cast<unsigned>(a.outer);
  const dim3 block(kWarp, kRowsPerBlock);
  const unsigned blocks = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
  if (packs <= kWarp) {
    softmax_rows<T, Width, 1, true><<<blocks, block, 0, stream>>>(a);
  } else if (packs <= 4 * kWarp) {
    softmax_rows<T, Width, 4, true><<<blocks, block, 0, stream>>>(a);
  } else if (packs <= 4 * 1024) {
    const auto threads = static_cast<unsigned>((packs / 4 + kWarp) / kWarp * kWarp);
    softmax_rows<T, Width, 4, false><<<rows, std::min(threads, 1024u), 0, stream>>>(a);
  } else {
    return false;
  }
  return true;
}

template <typename T>
void launch(const AxisNormArguments& a, cudaStream_t stream) {
  const bool is_softmax = a.kind == AxisNorm::kSoftmax || a.kind == AxisNorm::kLogSoftmax;
  if (is_softmax && a.inner == 1) {
    if (launch_rows<T, 16 / static_cast<int>(sizeof(T))>(a, stream)) return;
    if (launch_rows<T, 1>(a, stream)) return;
  }
  unsigned width = 1;
  while (width < a.inner && width < kWarp) width *= 2;
  const unsigned most = a.extent > 4096 ? 1024 : 256;
  unsigned height = 1;
  while (height < a.extent && width * height < most) height *= 2;
  const int64_t tiles = (a.inner + width - 1) / width;
  axis_norm_columns<T>
      <<<static_cast<unsigned>(a.outer * tiles), dim3(width, height), 0, stream>>>(a, tiles);
}

}  // namespace

void launch_axis_norm(const AxisNormArguments& arguments, cudaStream_t stream) {
  if (arguments.outer == 0 || arguments.extent == 0 || arguments.inner == 0) return;
  dispatch_float(arguments.type,
                 [&](auto tag) { launch<typename decltype(tag)::type>(arguments, stream); });
}

}  // namespace penstock::ops
