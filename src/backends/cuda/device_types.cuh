// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Elements as kernels of the device see them: stored in their type, computed in float.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::backends::cuda {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T>
__device__ T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// `Count` elements that are loaded and stored at once, at addresses that are multiples of their
// size.
template <typename T, int Count>
struct alignas(sizeof(T) * Count) Pack {
  T at[Count];
};

template <typename T>
struct ElementTag {
  using type = T;
};

// fn(ElementTag<T>) for a floating type; false for others.
template <typename Fn>
bool dispatch_float(DataType type, Fn&& fn) {
  switch (type) {
    case DataType::kFloat32: fn(ElementTag<float>{}); return true;
    case DataType::kFloat16: fn(ElementTag<__half>{}); return true;
    case DataType::kBFloat16: fn(ElementTag<__nv_bfloat16>{}); return true;
    default: return false;
  }
}

// fn(ElementTag<T>) for an unsigned integer of that many bytes: what only moves elements needs no
// more.
template <typename Fn>
bool dispatch_size(size_t bytes, Fn&& fn) {
  switch (bytes) {
    case 1: fn(ElementTag<uint8_t>{}); return true;
    case 2: fn(ElementTag<uint16_t>{}); return true;
    case 4: fn(ElementTag<uint32_t>{}); return true;
    case 8: fn(ElementTag<uint64_t>{}); return true;
    default: return false;
  }
}

inline int ceil_div(int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); }

}  // namespace penstock::backends::cuda
