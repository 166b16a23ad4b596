// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// ArgMax and ArgMin, CumSum and CumProd.
#include "ops/reduction/accumulate.cuh"
#include "ops/reduction/reduction_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

template <typename A>
struct Candidate {
  A value;
  int64_t place;  // -1 is none
};

// Does b win over a? A NaN wins over numbers, and NaN are equal.
template <typename A>
__device__ bool wins(const ArgReduceArguments& k, const Candidate<A>& a, const Candidate<A>& b) {
  if (b.place < 0) return false;
  if (a.place < 0) return true;
  const bool a_nan = a.value != a.value;
  const bool b_nan = b.value != b.value;
  if (a_nan != b_nan) return b_nan;
  if (a_nan || a.value == b.value) return k.last ? b.place > a.place : b.place < a.place;
  return k.largest ? b.value > a.value : b.value < a.value;
}

// blockDim.x lines in a block, blockDim.y threads (a power of two) to a line.
template <typename T>
__global__ void arg_reduce(const ArgReduceArguments a, int64_t tiles) {
  using A = Accumulator<T>;
  __shared__ Candidate<A> room[256];
  const int64_t outer = blockIdx.x / tiles;
  const int64_t column = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  const bool inside = column < a.inner;
  const T* x =
      static_cast<const T*>(a.x) + outer * a.extent * a.inner + (inside ? column : int64_t{0});
  Candidate<A> best = {A(0), -1};
#pragma unroll 4
  for (int64_t i = threadIdx.y; i < a.extent; i += blockDim.y) {
    const Candidate<A> next = {to_accumulator(x[i * a.inner]), i};
    if (wins(a, best, next)) best = next;
  }
  const unsigned mine = threadIdx.y * blockDim.x + threadIdx.x;
  room[mine] = best;
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y >= half) continue;
    const Candidate<A> other = room[mine + half * blockDim.x];
    if (wins(a, room[mine], other)) room[mine] = other;
  }
  if (threadIdx.y == 0 && inside) a.y[outer * a.inner + column] = room[mine].place;
}

template <typename A>
__device__ A combine(A a, A b, bool product) {
  return product ? a * b : a + b;
}

// A thread for each line.
template <typename T>
__global__ void scan_lines(const ScanArguments a) {
  using A = Accumulator<T>;
  const int64_t line = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (line >= a.outer * a.inner) return;
  const int64_t first = line / a.inner * a.extent * a.inner + line % a.inner;
  A total = a.product ? A(1) : A(0);
  for (int64_t i = 0; i < a.extent; ++i) {
    const int64_t at = first + (a.reverse ? a.extent - 1 - i : i) * a.inner;
    const A before = total;
    total = combine(total, to_accumulator(static_cast<const T*>(a.x)[at]), a.product);
    static_cast<T*>(a.y)[at] = from_accumulator<T>(a.exclusive ? before : total);
  }
}

constexpr int kScanThreads = 256;

// A block for each line, as many elements at a time as it has threads.
template <typename T>
__global__ void scan_long_lines(const ScanArguments a) {
  using A = Accumulator<T>;
  __shared__ A of_warps[kScanThreads / kWarp];
  const int64_t line = blockIdx.x;
  const int64_t first = line / a.inner * a.extent * a.inner + line % a.inner;
  const A neutral = a.product ? A(1) : A(0);
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const int warp = static_cast<int>(threadIdx.x / kWarp);
  A carry = neutral;
  for (int64_t begin = 0; begin < a.extent; begin += kScanThreads) {
    const int64_t i = begin + threadIdx.x;
    const int64_t at = first + (a.reverse ? a.extent - 1 - i : i) * a.inner;
    A total = i < a.extent ? to_accumulator(static_cast<const T*>(a.x)[at]) : neutral;
    for (int offset = 1; offset < kWarp; offset *= 2) {
      const A other = __shfl_up_sync(0xffffffffu, total, offset);
      if (lane >= offset) total = combine(other, total, a.product);
    }
    A before = __shfl_up_sync(0xffffffffu, total, 1);
    if (lane == 0) before = neutral;
    __syncthreads();  // the last round's totals have been read
    if (lane == kWarp - 1) of_warps[warp] = total;
    __syncthreads();
    A ahead = carry;
    for (int w = 0; w < kScanThreads / kWarp; ++w) {
      if (w < warp) ahead = combine(ahead, of_warps[w], a.product);
      carry = combine(carry, of_warps[w], a.product);
    }
    const A result = combine(ahead, a.exclusive ? before : total, a.product);
    if (i < a.extent) static_cast<T*>(a.y)[at] = from_accumulator<T>(result);
  }
}

}  // namespace

void launch_arg_reduce(const ArgReduceArguments& a, cudaStream_t stream) {
  if (a.outer == 0 || a.extent == 0 || a.inner == 0) return;
  unsigned width = 1;
  while (width < a.inner && width < kWarp) width *= 2;
  unsigned height = 1;
  while (height < a.extent && width * height < 256) height *= 2;
  const int64_t tiles = (a.inner + width - 1) / width;
  dispatch_number(a.type, [&](auto tag) {
    arg_reduce<typename decltype(tag)::type>
        <<<static_cast<unsigned>(a.outer * tiles), dim3(width, height), 0, stream>>>(a, tiles);
  });
}

void launch_scan(const ScanArguments& a, cudaStream_t stream) {
  if (a.outer == 0 || a.extent == 0 || a.inner == 0) return;
  const int64_t lines = a.outer * a.inner;
  const bool is_short = a.extent <= 32 || (lines >= 8192 && a.inner >= kWarp);
  dispatch_number(a.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (is_short) {
      scan_lines<T><<<static_cast<unsigned>((lines + 127) / 128), 128, 0, stream>>>(a);
    } else {
      scan_long_lines<T><<<static_cast<unsigned>(lines), kScanThreads, 0, stream>>>(a);
    }
  });
}

}  // namespace penstock::ops
