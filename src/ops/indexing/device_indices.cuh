// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/launch_math.cuh"
#include "ops/indexing/indexing_cuda.h"

namespace penstock::ops {

// Index i counted from the front; -1 where it is outside [-limit, limit).
__device__ inline int64_t index_at(const DeviceIndices& indices, int64_t i, int64_t limit) {
  int64_t index = indices.is_wide ? static_cast<const int64_t*>(indices.data)[i]
                                  : static_cast<const int32_t*>(indices.data)[i];
  if (index < 0) index += limit;
  return index < 0 || index >= limit ? -1 : index;
}

// Indices that replace one axis of the data: GatherElements, ScatterElements.
template <typename Mode>
struct ElementKernel {
  ElementArguments a;
  typename Mode::Index items;
  typename Mode::Division extents[kMaxIndexAxes];

  ElementKernel(const ElementArguments& arguments, int64_t count)
      : a(arguments), items(static_cast<typename Mode::Index>(count)) {
    for (int d = 0; d < a.axes; ++d) extents[d] = typename Mode::Division(a.extents[d]);
  }
};

// Where in the data the element of index `i` is; -1 where that is outside.
template <typename Mode>
__device__ int64_t place_of(const ElementKernel<Mode>& kernel, typename Mode::Index i) {
  const ElementArguments& a = kernel.a;
  const int64_t index = index_at(a.indices, static_cast<int64_t>(i), a.limit);
  typename Mode::Index rest = i;
  int64_t place = 0;
  for (int d = a.axes - 1; d >= 0; --d) {
    const auto at = static_cast<int64_t>(kernel.extents[d].split(rest));
    place += (d == a.axis ? index : at) * a.strides[d];
  }
  return index < 0 ? -1 : place;
}

// Fn for an unsigned integer of `bytes`, or 16 bytes at once.
template <typename Fn>
void dispatch_width(size_t bytes, Fn&& fn) {
  if (!backends::cuda::dispatch_size(bytes, fn)) fn(backends::cuda::ElementTag<uint4>{});
}

// The widest access that runs of `count` elements at multiples of `count` allow.
inline size_t run_width(const void* x, const void* y, int64_t count, size_t size) {
  size_t width = 16;
  while (width > size &&
         (count * static_cast<int64_t>(size) % static_cast<int64_t>(width) != 0 ||
          !backends::cuda::is_aligned(x, width) || !backends::cuda::is_aligned(y, width))) {
    width /= 2;
  }
  return width;
}

}  // namespace penstock::ops
