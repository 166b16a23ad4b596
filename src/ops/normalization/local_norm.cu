// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// LRN.
#include "backends/cuda/launch_math.cuh"
#include "ops/normalization/normalization_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

template <typename T>
__global__ void local_norm(const LocalNormArguments a, int64_t items) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t stride = a.channels_last ? 1 : a.spatial;  // from channel to channel
  const T* x = static_cast<const T*>(a.x);
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < items;
       i += step) {
    const int64_t channel = i / stride % a.channels;
    const int64_t first = channel < a.before ? -channel : -a.before;
    const int64_t room = a.channels - 1 - channel;
    const int64_t last = room < a.after ? room : a.after;
    float squares = 0;
    for (int64_t k = first; k <= last; ++k) {
      const float value = to_float(x[i + k * stride]);
      squares += value * value;
    }
    const float divisor = powf(a.bias + a.alpha * squares, a.beta);
    static_cast<T*>(a.y)[i] = from_float<T>(to_float(x[i]) / divisor);
  }
}

}  // namespace

void launch_local_norm(const LocalNormArguments& a, cudaStream_t stream) {
  const int64_t items = a.batch * a.channels * a.spatial;
  if (items == 0) return;
  dispatch_float(a.type, [&](auto tag) {
    local_norm<typename decltype(tag)::type><<<grid_of(items, 256), 256, 0, stream>>>(a, items);
  });
}

}  // namespace penstock::ops
