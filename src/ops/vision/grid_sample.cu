// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_math.cuh"
#include "ops/vision/vision_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 128;
constexpr int kChannels = 8;  // of a thread, which share a point's taps

// Up to four pixels of an axis; index -1 is a zero outside.
struct Taps {
  int count = 0;
  int index[4] = {};
  float weight[4] = {};
};

// Bounces x between the borders of an axis until it is inside.
__device__ double reflected(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0.0) return low;
  const double along = fmod(fabs(x - low), 2.0 * range);
  return low + (along > range ? 2.0 * range - along : along);
}

__device__ int padded(const GridSampleArguments& a, double index, double last) {
  if (a.padding == GridPadding::kReflection) {
    const double half = a.align_corners ? 0.0 : 0.5;
    index = trunc(reflected(index, -half, last + half));
  }
  if (a.padding != GridPadding::kZeros) index = index < 0.0 ? 0.0 : index > last ? last : index;
  return index >= 0.0 && index <= last ? static_cast<int>(index) : -1;
}

// `position` runs from -1 to 1 over the axis. In double, as on the host.
__device__ Taps taps_of(const GridSampleArguments& a, double position, int64_t extent) {
  const auto size = static_cast<double>(extent);
  const double last = size - 1;
  double x =
      static_cast<float>(a.align_corners ? (position + 1) / 2 * last
                                         : __dadd_rn(__dmul_rn(position + 1, size), -1.0) / 2);
  if (x != x) x = -2.0;
  if (a.sampling == GridSampling::kNearest) x = rint(x);
  const double half = a.align_corners ? 0.0 : 0.5;
  if (a.padding == GridPadding::kBorder) x = x < 0.0 ? 0.0 : x > last ? last : x;
  if (a.padding == GridPadding::kReflection) x = reflected(x, -half, last + half);
  Taps taps;
  if (a.sampling == GridSampling::kNearest) {
    taps.count = 1;
    taps.index[0] = padded(a, x, last);
    taps.weight[0] = 1;
    return taps;
  }
  const double base = floor(x);
  const auto t = static_cast<float>(x - base);
  if (a.sampling == GridSampling::kLinear) {
    taps.count = 2;
    taps.weight[0] = 1 - t;
    taps.weight[1] = t;
  } else {
    // R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
    constexpr float c = -0.75f;
    const auto inner = [](float d) { return ((c + 2) * d - (c + 3)) * d * d + 1; };
    const auto outer = [](float d) { return ((c * d - 5 * c) * d + 8 * c) * d - 4 * c; };
    taps.count = 4;
    taps.weight[0] = outer(t + 1);
    taps.weight[1] = inner(t);
    taps.weight[2] = inner(1 - t);
    taps.weight[3] = outer(2 - t);
  }
  const double first = taps.count == 4 ? base - 1 : base;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < taps.count) taps.index[i] = padded(a, first + i, last);
  }
  return taps;
}

// Threads along x share an image and a group of channels.
template <typename T>
__global__ void grid_sample(const GridSampleArguments a, int64_t groups) {
  const int64_t point = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (point >= a.points) return;
  const int64_t plane = a.in_height * a.in_width;
  for (int64_t part = blockIdx.y; part < a.batch * groups; part += gridDim.y) {
    const int64_t image = part / groups;
    const int64_t channel = part % groups * kChannels;
    const int64_t at = 2 * (image * a.points + point);
    // The last axis comes first.
    const Taps columns = taps_of(a, load_float(a.grid, a.grid_type, at), a.in_width);
    const Taps rows = taps_of(a, load_float(a.grid, a.grid_type, at + 1), a.in_height);
    for (int c = 0; c < kChannels && channel + c < a.channels; ++c) {
      const int64_t whole = image * a.channels + channel + c;
      const T* x = static_cast<const T*>(a.x) + whole * plane;
      float sum = 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (i >= rows.count || rows.index[i] < 0) continue;
        float line = 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (j >= columns.count || columns.index[j] < 0) continue;
          line += columns.weight[j] * to_float(x[rows.index[i] * a.in_width + columns.index[j]]);
        }
        sum += rows.weight[i] * line;
      }
      static_cast<T*>(a.y)[whole * a.points + point] = from_float<T>(sum);
    }
  }
}

}  // namespace

void launch_grid_sample(const GridSampleArguments& a, cudaStream_t stream) {
  if (a.batch * a.channels * a.points == 0) return;
  const int64_t groups = (a.channels + kChannels - 1) / kChannels;
  const dim3 grid(static_cast<unsigned>((a.points + kThreads - 1) / kThreads),
                  static_cast<unsigned>(std::min<int64_t>(a.batch * groups, 65535)));
  dispatch_float(a.type, [&](auto tag) {
    grid_sample<typename decltype(tag)::type><<<grid, kThreads, 0, stream>>>(a, groups);
  });
}

}  // namespace penstock::ops
