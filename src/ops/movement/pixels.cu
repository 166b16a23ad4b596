// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_math.cuh"
#include "ops/movement/pixels_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;
constexpr int kRun = 8;  // neighbouring pixels of a thread

template <typename From, typename To, int Channels, int Padded>
__global__ void interleave(const __grid_constant__ PixelArguments a, int64_t runs, bool whole) {
  const int64_t run = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (run >= runs) return;
  const int64_t first = run * kRun;
  const int64_t image = blockIdx.y;
  const From* x = static_cast<const From*>(a.x) + image * Channels * a.pixels + first;
  To* y = static_cast<To*>(a.y) + (image * a.pixels + first) * Padded;
  float values[kRun * Padded] = {};
  if (whole) {
#pragma unroll
    for (int c = 0; c < Channels; ++c) {
      float plane[kRun];
      load_floats<kRun>(x + c * a.pixels, plane);
#pragma unroll
      for (int i = 0; i < kRun; ++i) values[i * Padded + c] = plane[i];
    }
    store_floats<kRun * Padded>(values, y);
    return;
  }
  const int count = static_cast<int>(min(int64_t{kRun}, a.pixels - first));
  for (int i = 0; i < count; ++i) {
    for (int c = 0; c < Padded; ++c) {
      const float value = c < Channels ? to_float(x[c * a.pixels + i]) : 0.0f;
      y[i * Padded + c] = from_float<To>(value);
    }
  }
}

template <typename From, typename To, int Channels, int Padded>
void launch(const PixelArguments& a, cudaStream_t stream) {
  const int64_t runs = (a.pixels + kRun - 1) / kRun;
  const bool whole = a.pixels % kRun == 0 && is_aligned(a.x, 16) && is_aligned(a.y, 16);
  const dim3 grid(static_cast<unsigned>((runs + kThreads - 1) / kThreads),
                  static_cast<unsigned>(a.batch));
  interleave<From, To, Channels, Padded><<<grid, kThreads, 0, stream>>>(a, runs, whole);
}

template <typename From, typename To, int Channels>
void launch_padded(const PixelArguments& a, cudaStream_t stream) {
  if (a.padded == a.channels) return launch<From, To, Channels, Channels>(a, stream);
  launch<From, To, Channels, kMostPixelChannels>(a, stream);
}

}  // namespace

void launch_pixels(const PixelArguments& a, cudaStream_t stream) {
  if (a.batch * a.pixels == 0) return;
  dispatch_float(a.from, [&](auto from) {
    dispatch_float(a.to, [&](auto to) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      switch (a.channels) {
        case 1: launch_padded<From, To, 1>(a, stream); break;
        case 2: launch_padded<From, To, 2>(a, stream); break;
        case 3: launch_padded<From, To, 3>(a, stream); break;
        default: launch<From, To, 4, 4>(a, stream); break;
      }
    });
  });
}

}  // namespace penstock::ops
