// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Gather, GatherElements, OneHot.
#include "ops/indexing/device_indices.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;
constexpr int kItems = 4;  // of a thread: loads in flight

template <typename Mode>
struct GatherKernel {
  GatherArguments a;
  typename Mode::Index items;
  typename Mode::Division inner;
  typename Mode::Division count;
};

template <typename T, typename Mode>
__global__ void __launch_bounds__(kThreads)
    gather_items(const __grid_constant__ GatherKernel<Mode> kernel) {
  using Index = typename Mode::Index;
  const GatherArguments& a = kernel.a;
  const Index first = static_cast<Index>(blockIdx.x) * (kThreads * kItems) + threadIdx.x;
  T values[kItems];
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    values[k] = T{};
    Index rest = first + k * kThreads;
    if (rest >= kernel.items) continue;
    const auto within = static_cast<int64_t>(kernel.inner.split(rest));
    const auto which = static_cast<int64_t>(kernel.count.split(rest));
    const int64_t index = index_at(a.indices, which, a.extent);
    if (index < 0) continue;
    values[k] = static_cast<const T*>(
        a.x)[(static_cast<int64_t>(rest) * a.extent + index) * a.inner + within];
  }
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    const Index at = first + k * kThreads;
    if (at < kernel.items) static_cast<T*>(a.y)[at] = values[k];
  }
}

template <typename T, typename Mode>
void launch(const GatherArguments& a, int64_t items, cudaStream_t stream) {
  GatherKernel<Mode> kernel;
  kernel.a = a;
  kernel.items = static_cast<typename Mode::Index>(items);
  kernel.inner = typename Mode::Division(a.inner);
  kernel.count = typename Mode::Division(a.count);
  const auto blocks = static_cast<unsigned>((items + kThreads * kItems - 1) / (kThreads * kItems));
  gather_items<T, Mode><<<blocks, kThreads, 0, stream>>>(kernel);
}

template <typename T, typename Mode>
__global__ void gather_elements(const __grid_constant__ ElementKernel<Mode> kernel) {
  using Index = typename Mode::Index;
  const ElementArguments& a = kernel.a;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= kernel.items) return;
  const int64_t place = place_of(kernel, i);
  static_cast<T*>(a.y)[i] = place < 0 ? T{} : static_cast<const T*>(a.x)[place];
}

template <typename T, typename Mode>
void launch(const ElementArguments& a, int64_t items, cudaStream_t stream) {
  const ElementKernel<Mode> kernel(a, items);
  gather_elements<T, Mode>
      <<<static_cast<unsigned>((items + kThreads - 1) / kThreads), kThreads, 0, stream>>>(kernel);
}

__device__ int64_t number_at(const OneHotArguments& a, int64_t i) {
  if (a.index_type == DataType::kInt64) return static_cast<const int64_t*>(a.indices)[i];
  if (a.index_type == DataType::kInt32) return static_cast<const int32_t*>(a.indices)[i];
  return static_cast<int64_t>(static_cast<const float*>(a.indices)[i]);
}

template <typename T, typename Index>
__global__ void one_hot(const OneHotArguments a, Index items) {
  const auto inner = static_cast<Index>(a.inner);
  const auto depth = static_cast<Index>(a.depth);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += step) {
    const Index outer = i / inner;
    const auto at = static_cast<int64_t>(outer % depth);
    const int64_t index = number_at(a, static_cast<int64_t>(outer / depth * inner + i % inner));
    const bool on = index == at || index + a.depth == at;
    static_cast<T*>(a.y)[i] = static_cast<const T*>(a.off_on)[on ? 1 : 0];
  }
}

}  // namespace

void launch_gather(const GatherArguments& arguments, size_t element_bytes, cudaStream_t stream) {
  GatherArguments a = arguments;
  const size_t width = run_width(a.x, a.y, a.inner, element_bytes);
  a.inner /= static_cast<int64_t>(width / element_bytes);
  const int64_t items = a.outer * a.count * a.inner;
  if (items == 0) return;
  dispatch_width(width, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (fits_32_bits(items)) {
      launch<T, Narrow>(a, items, stream);
    } else {
      launch<T, Wide>(a, items, stream);
    }
  });
}

void launch_gather_elements(const ElementArguments& a, size_t element_bytes, cudaStream_t stream) {
  int64_t items = 1;
  for (int d = 0; d < a.axes; ++d) items *= a.extents[d];
  if (items == 0) return;
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (fits_32_bits(items)) {
      launch<T, Narrow>(a, items, stream);
    } else {
      launch<T, Wide>(a, items, stream);
    }
  });
}

void launch_one_hot(const OneHotArguments& a, size_t element_bytes, cudaStream_t stream) {
  const int64_t items = a.outer * a.depth * a.inner;
  if (items == 0) return;
  const unsigned blocks = grid_of(items, kThreads);
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (fits_32_bits(items)) {
      one_hot<T, uint32_t><<<blocks, kThreads, 0, stream>>>(a, static_cast<uint32_t>(items));
    } else {
      one_hot<T, uint64_t><<<blocks, kThreads, 0, stream>>>(a, static_cast<uint64_t>(items));
    }
  });
}

}  // namespace penstock::ops
