// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// ScatterElements, and both directions of index tuples: GatherND, ScatterND.
#include "ops/indexing/device_indices.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

enum class Direction { kGather, kScatterAdd };

template <typename Mode>
struct TupleKernel {
  TupleArguments a;
  int64_t batch_items;  // of the tensor that tuples address
  typename Mode::Index items;
  typename Mode::Division slice;
  typename Mode::Division tuples;
};

template <typename T, typename Mode, Direction kDirection>
__global__ void move_tuples(const __grid_constant__ TupleKernel<Mode> kernel) {
  using Index = typename Mode::Index;
  const TupleArguments& a = kernel.a;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= kernel.items) return;
  Index rest = i;
  const auto within = static_cast<int64_t>(kernel.slice.split(rest));
  const auto tuple = static_cast<int64_t>(rest);
  const auto batch = static_cast<int64_t>(kernel.tuples.divide(rest));
  int64_t place = 0;
  bool inside = true;
  for (int d = 0; d < a.depth; ++d) {
    const int64_t index = index_at(a.indices, tuple * a.depth + d, a.limits[d]);
    inside = inside && index >= 0;
    place = place * a.limits[d] + index;
  }
  place = batch * kernel.batch_items + place * a.slice + within;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  if constexpr (kDirection == Direction::kGather) {
    y[i] = inside ? x[place] : T{};
  } else {
    if (inside) atomicAdd(y + place, x[i]);
  }
}

template <typename T, typename Mode, Direction kDirection>
void launch(const TupleArguments& a, int64_t items, cudaStream_t stream) {
  TupleKernel<Mode> kernel;
  kernel.a = a;
  kernel.batch_items = a.slice;
  for (int d = 0; d < a.depth; ++d) kernel.batch_items *= a.limits[d];
  kernel.items = static_cast<typename Mode::Index>(items);
  kernel.slice = typename Mode::Division(a.slice);
  kernel.tuples = typename Mode::Division(a.tuples);
  move_tuples<T, Mode, kDirection>
      <<<static_cast<unsigned>((items + kThreads - 1) / kThreads), kThreads, 0, stream>>>(kernel);
}

template <typename T, Direction kDirection>
void launch_sized(const TupleArguments& a, cudaStream_t stream) {
  const int64_t items = a.batches * a.tuples * a.slice;
  if (items == 0) return;
  if (fits_32_bits(items)) {
    launch<T, Narrow, kDirection>(a, items, stream);
  } else {
    launch<T, Wide, kDirection>(a, items, stream);
  }
}

template <typename Mode>
__global__ void scatter_elements(const __grid_constant__ ElementKernel<Mode> kernel) {
  using Index = typename Mode::Index;
  const ElementArguments& a = kernel.a;
  const Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= kernel.items) return;
  const int64_t place = place_of(kernel, i);
  if (place >= 0) atomicAdd(static_cast<float*>(a.y) + place, static_cast<const float*>(a.x)[i]);
}

}  // namespace

void launch_scatter_elements(const ElementArguments& a, cudaStream_t stream) {
  int64_t items = 1;
  for (int d = 0; d < a.axes; ++d) items *= a.extents[d];
  if (items == 0) return;
  const auto blocks = static_cast<unsigned>((items + kThreads - 1) / kThreads);
  const auto run = [&](auto mode) {
    using Mode = decltype(mode);
    const ElementKernel<Mode> kernel(a, items);
    scatter_elements<Mode><<<blocks, kThreads, 0, stream>>>(kernel);
  };
  if (fits_32_bits(items)) {
    run(Narrow{});
  } else {
    run(Wide{});
  }
}

void launch_gather_nd(const TupleArguments& arguments, size_t element_bytes, cudaStream_t stream) {
  TupleArguments a = arguments;
  const size_t width = run_width(a.x, a.y, a.slice, element_bytes);
  a.slice /= static_cast<int64_t>(width / element_bytes);
  dispatch_width(width, [&](auto tag) {
    launch_sized<typename decltype(tag)::type, Direction::kGather>(a, stream);
  });
}

void launch_scatter_nd(const TupleArguments& a, cudaStream_t stream) {
  launch_sized<float, Direction::kScatterAdd>(a, stream);
}

}  // namespace penstock::ops
