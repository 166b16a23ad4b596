// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/device_indices.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

// Numbers as unsigned integers of the same order; NaN is above all of them, and -0 equals 0.
__device__ inline uint32_t ordered(float x) {
  if (x != x) return 0xffffffffu;
  const uint32_t bits = __float_as_uint(x + 0.0f);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
__device__ inline uint32_t ordered(__half x) { return ordered(to_float(x)); }
__device__ inline uint32_t ordered(__nv_bfloat16 x) { return ordered(to_float(x)); }
__device__ inline uint32_t ordered(int32_t x) { return static_cast<uint32_t>(x) ^ 0x80000000u; }

// The better candidate is the greater one: by value, then by the lower index. 0 is none.
template <typename T>
__device__ uint64_t candidate(T x, int64_t index, bool largest) {
  const uint32_t key = largest ? ordered(x) : ~ordered(x);
  return uint64_t{key} << 32 | (0xffffffffu - static_cast<uint32_t>(index));
}

// Sorts 2 * blockDim.x candidates downwards. K. E. Batcher, "Sorting networks and their
// applications", 1968.
__device__ void sort_down(uint64_t* held) {
  const unsigned pair = threadIdx.x;
  for (unsigned size = 2; size <= 2 * blockDim.x; size *= 2) {
    for (unsigned stride = size / 2; stride > 0; stride /= 2) {
      __syncthreads();
      const unsigned low = 2 * pair - (pair & (stride - 1));
      const bool down = (low & size) == 0;
      const uint64_t a = held[low];
      const uint64_t b = held[low + stride];
      if ((a < b) == down) {
        held[low] = b;
        held[low + stride] = a;
      }
    }
  }
  __syncthreads();
}

// A block for each line; blockDim.x is a power of two, and k at least. The first half holds the
// best so far, in order; the second takes what comes next.
template <typename T>
__global__ void top_k(const TopKArguments a) {
  __shared__ uint64_t held[2 * kMaxTopK];
  const int64_t outer = blockIdx.x / a.inner;
  const int64_t column = blockIdx.x % a.inner;
  const T* x = static_cast<const T*>(a.x) + outer * a.extent * a.inner + column;
  const unsigned mine = threadIdx.x;
  held[mine] = 0;
  for (int64_t begin = 0; begin < a.extent; begin += blockDim.x) {
    const int64_t i = begin + mine;
    const uint64_t next = i < a.extent ? candidate(x[i * a.inner], i, a.largest) : 0;
    __syncthreads();
    // Nothing to do where none of these beats the worst of the best.
    if (!__syncthreads_or(next > held[a.k - 1])) continue;
    held[blockDim.x + mine] = next;
    sort_down(held);
  }
  __syncthreads();
  if (mine >= a.k) return;
  const auto index = static_cast<int64_t>(0xffffffffu - static_cast<uint32_t>(held[mine]));
  const int64_t to = (outer * a.k + mine) * a.inner + column;
  if (a.values != nullptr) static_cast<T*>(a.values)[to] = x[index * a.inner];
  if (a.indices != nullptr) a.indices[to] = index;
}

template <typename Fn>
bool dispatch_ordered(DataType type, Fn&& fn) {
  if (type == DataType::kInt32) {
    fn(ElementTag<int32_t>{});
    return true;
  }
  return dispatch_float(type, fn);
}

}  // namespace

bool has_top_k(DataType type) {
  return dispatch_ordered(type, [](auto) {});
}

bool launch_top_k(const TopKArguments& a, DataType type, cudaStream_t stream) {
  return dispatch_ordered(type, [&](auto tag) {
    if (a.outer * a.inner == 0 || a.k == 0) return;
    unsigned threads = 32;
    while (threads < a.k) threads *= 2;
    // Fewer, larger steps where lines are long.
    while (threads < 512 && threads < a.extent) threads *= 2;
    top_k<typename decltype(tag)::type>
        <<<static_cast<unsigned>(a.outer * a.inner), threads, 0, stream>>>(a);
  });
}

}  // namespace penstock::ops
