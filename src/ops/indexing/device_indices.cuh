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
