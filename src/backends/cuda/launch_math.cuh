// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What kernels of the device share: grids, division by a number known at the launch, packs of
// elements, reductions of warps and blocks.
#pragma once

#include <algorithm>

#include "backends/cuda/device_types.cuh"

namespace penstock::backends::cuda {

constexpr int kWarp = 32;

// Blocks of a kernel that strides over `count` items by the size of its grid.
inline unsigned grid_of(int64_t count, int threads, int64_t most = int64_t{1} << 20) {
  return static_cast<unsigned>(std::clamp<int64_t>((count + threads - 1) / threads, 1, most));
}

inline bool is_aligned(const void* address, size_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

// True where positions up to `count`, and a step of a whole grid beyond it, fit 31 bits.
inline bool fits_32_bits(int64_t count) { return count < (int64_t{1} << 30); }

// Division of numbers below 2^31 by one multiplication. T. Granlund and P. L. Montgomery, "Division
// by invariant integers using multiplication", 1994.
struct Divisor {
  uint32_t divisor = 1;
  uint32_t multiplier = 1;
  uint32_t shift = 0;

  Divisor() = default;
  explicit Divisor(int64_t by) : divisor(static_cast<uint32_t>(by < 1 ? 1 : by)) {
    while ((uint64_t{1} << shift) < divisor) ++shift;
    multiplier = static_cast<uint32_t>(
        ((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  __device__ uint32_t divide(uint32_t n) const { return (__umulhi(n, multiplier) + n) >> shift; }
  // n becomes the quotient; the remainder is the answer.
  __device__ uint32_t split(uint32_t& n) const {
    const uint32_t quotient = divide(n);
    const uint32_t remainder = n - quotient * divisor;
    n = quotient;
    return remainder;
  }
};

// The same for positions of 64 bits.
struct WideDivisor {
  uint64_t divisor = 1;

  WideDivisor() = default;
  explicit WideDivisor(int64_t by) : divisor(static_cast<uint64_t>(by < 1 ? 1 : by)) {}
  __device__ uint64_t divide(uint64_t n) const { return n / divisor; }
  __device__ uint64_t split(uint64_t& n) const {
    const uint64_t quotient = n / divisor;
    const uint64_t remainder = n - quotient * divisor;
    n = quotient;
    return remainder;
  }
};

// Positions of 32 or 64 bits with their division.
struct Narrow {
  using Index = uint32_t;
  using Division = Divisor;
};
struct Wide {
  using Index = uint64_t;
  using Division = WideDivisor;
};

// `Count` elements as floats, in accesses of 16 bytes at most.
template <int Count, typename T>
__device__ void load_floats(const T* from, float* to) {
  constexpr int kMost = 16 / static_cast<int>(sizeof(T));
  constexpr int kChunk = Count < kMost ? Count : kMost;
#pragma unroll
  for (int c = 0; c < Count; c += kChunk) {
    const Pack<T, kChunk> pack = *reinterpret_cast<const Pack<T, kChunk>*>(from + c);
#pragma unroll
    for (int i = 0; i < kChunk; ++i) to[c + i] = to_float(pack.at[i]);
  }
}

template <int Count, typename T>
__device__ void store_floats(const float* from, T* to) {
  constexpr int kMost = 16 / static_cast<int>(sizeof(T));
  constexpr int kChunk = Count < kMost ? Count : kMost;
#pragma unroll
  for (int c = 0; c < Count; c += kChunk) {
    Pack<T, kChunk> pack;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) pack.at[i] = from_float<T>(from[c + i]);
    *reinterpret_cast<Pack<T, kChunk>*>(to + c) = pack;
  }
}

// Element i of a floating tensor whose type is known at the launch only.
__device__ inline float load_float(const void* data, DataType type, int64_t i) {
  if (type == DataType::kFloat16) return to_float(static_cast<const __half*>(data)[i]);
  if (type == DataType::kBFloat16) return to_float(static_cast<const __nv_bfloat16*>(data)[i]);
  return static_cast<const float*>(data)[i];
}

struct AddOp {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct MaxOp {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// What all lanes hold, combined; every lane gets it.
template <typename T, typename Op>
__device__ T warp_reduce(T value, Op op) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value = op(value, __shfl_xor_sync(0xffffffffu, value, offset));
  }
  return value;
}

// The same for a block of whole warps along x.
template <typename T, typename Op>
__device__ T block_reduce(T value, T identity, Op op) {
  __shared__ T partial[kWarp];
  value = warp_reduce(value, op);
  __syncthreads();  // an earlier call may still be read
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  value = lane < static_cast<int>(blockDim.x / kWarp) ? partial[lane] : identity;
  return warp_reduce(value, op);
}

}  // namespace penstock::backends::cuda
