// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// A first kernel writes down the taps of each axis, as resize_plan.cc does; a second one reads
// them.
#include <type_traits>

#include "backends/cuda/launch_math.cuh"
#include "ops/vision/vision_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

__device__ double source_of(const ResizeArguments& a, const ResizedAxis& axis, double x) {
  const auto in = static_cast<double>(axis.in);
  const double length = axis.numerator / axis.denominator * in;
  // In float, as the host has it.
  const auto unscale = [&](double value) {
    return static_cast<double>(static_cast<float>(value * axis.denominator) /
                               static_cast<float>(axis.numerator));
  };
  switch (a.coordinates) {
    case ResizeCoordinates::kAlignCorners: return length == 1.0 ? 0.0 : x * (in - 1) / (length - 1);
    case ResizeCoordinates::kAsymmetric: return unscale(x);
    case ResizeCoordinates::kPytorchHalfPixel:
      if (length == 1.0) return -0.5;
      break;
    default: break;
  }
  const double source = unscale(x + 0.5) - 0.5;
  if (a.coordinates != ResizeCoordinates::kHalfPixelSymmetric) return source;
  // Rounded after each step: what is nearest depends on it.
  const double centred = 1 - static_cast<double>(axis.out) / length;
  return __dadd_rn(source, __dmul_rn(in / 2, centred));
}

__device__ double nearest(ResizeRounding rounding, double x) {
  switch (rounding) {
    case ResizeRounding::kFloor: return floor(x);
    case ResizeRounding::kCeil: return ceil(x);
    case ResizeRounding::kPreferCeil: return floor(x + 0.5);
    default: return ceil(x - 0.5);
  }
}

// R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
__device__ double cubic(double x, double a) {
  x = fabs(x);
  if (x <= 1.0) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2.0) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0.0;
}

__device__ int64_t clamped(double index, int64_t in) {
  const auto last = static_cast<double>(in - 1);
  return static_cast<int64_t>(index < 0.0 ? 0.0 : index > last ? last : index);
}

__device__ double weight_of(const ResizeArguments& a, const ResizedAxis& axis, double x,
                            double index, double shrink) {
  if (a.exclude_outside && (index < 0 || index >= static_cast<double>(axis.in))) return 0.0;
  const double distance = (index - x) * shrink;
  if (a.filter == ResizeFilter::kCubic) return cubic(distance, a.cubic_a);
  return fmax(0.0, 1.0 - fabs(distance));
}

__device__ void write_taps(const ResizeArguments& a, const ResizedAxis& axis, int64_t place,
                           ResizeTap* taps) {
  const double x = source_of(a, axis, static_cast<double>(place));
  if (a.filter == ResizeFilter::kNearest) {
    taps[0] = {static_cast<int32_t>(clamped(nearest(a.rounding, x), axis.in)), 1.0f};
    return;
  }
  const double scale = axis.numerator / axis.denominator;
  const double shrink = a.antialias && scale < 1.0 ? scale : 1.0;
  // Taps stand around x: half of them, and one more, begin at the pixel before it.
  const double first = ceil(x) - 1.0 - static_cast<double>(axis.taps / 2 - 1);
  double sum = 0;
  for (int i = 0; i < axis.taps; ++i) sum += weight_of(a, axis, x, first + i, shrink);
  const bool norms = a.antialias || a.exclude_outside;
  const double divisor = norms && sum != 0.0 ? sum : 1.0;
  for (int i = 0; i < axis.taps; ++i) {
    const double weight = weight_of(a, axis, x, first + i, shrink) / divisor;
    taps[i] = {static_cast<int32_t>(clamped(first + i, axis.in)), static_cast<float>(weight)};
  }
}

__global__ void write_all_taps(const __grid_constant__ ResizeArguments a) {
  const ResizedAxis& axis = a.axis[blockIdx.y];
  ResizeTap* taps = a.taps;
  for (unsigned i = 0; i < blockIdx.y; ++i) taps += a.axis[i].out * a.axis[i].taps;
  const int64_t place = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (place < axis.out) write_taps(a, axis, place, taps + place * axis.taps);
}

struct ResizeKernel {
  const void* x;
  void* y;
  uint32_t items;
  int axes;
  Divisor extents[kMaxResizeAxes];
  int64_t x_strides[kMaxResizeAxes];
  int slot[kMaxResizeAxes];
  // Of the resized axes; those that are missing have one tap.
  const ResizeTap* taps[kMaxResized];
  int count[kMaxResized];
  int64_t step[kMaxResized];
};

// Where an item comes from: its place on the other axes, and its taps on each resized one.
struct Source {
  int64_t base = 0;
  const ResizeTap* taps[kMaxResized] = {nullptr, nullptr, nullptr};
};

__device__ inline Source source_at(const ResizeKernel& k, uint32_t item) {
  Source source;
  for (int d = k.axes - 1; d >= 0; --d) {
    const int64_t place = k.extents[d].split(item);
    if (k.slot[d] < 0) {
      source.base += place * k.x_strides[d];
      continue;
    }
#pragma unroll
    for (int s = 0; s < kMaxResized; ++s) {
      if (k.slot[d] == s) source.taps[s] = k.taps[s] + place * k.count[s];
    }
  }
  return source;
}

template <typename T>
__global__ void resize_nearest(const __grid_constant__ ResizeKernel k) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= k.items) return;
  const Source source = source_at(k, item);
  int64_t from = source.base;
#pragma unroll
  for (int s = 0; s < kMaxResized; ++s) {
    if (source.taps[s] != nullptr) from += source.taps[s]->index * k.step[s];
  }
  static_cast<T*>(k.y)[item] = static_cast<const T*>(k.x)[from];
}

template <typename T, int Width>
__global__ void resize_filtered(const __grid_constant__ ResizeKernel k) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= k.items) return;
  const Source source = source_at(k, item);
  const ResizeTap whole = {0, 1.0f};
  const auto tap = [&](int s, int i) {
    return source.taps[s] == nullptr ? whole : source.taps[s][i];
  };
  float sums[Width] = {};
  for (int i = 0; i < k.count[0]; ++i) {
    const ResizeTap outer = tap(0, i);
    if (outer.weight == 0.0f) continue;
    for (int j = 0; j < k.count[1]; ++j) {
      const ResizeTap middle = tap(1, j);
      if (middle.weight == 0.0f) continue;
      const int64_t row = source.base + outer.index * k.step[0] + middle.index * k.step[1];
      const float weight = outer.weight * middle.weight;
      for (int l = 0; l < k.count[2]; ++l) {
        const ResizeTap inner = tap(2, l);
        if (inner.weight == 0.0f) continue;
        float values[Width];
        load_floats<Width>(static_cast<const T*>(k.x) + (row + inner.index * k.step[2]) * Width,
                           values);
#pragma unroll
        for (int w = 0; w < Width; ++w) sums[w] += weight * inner.weight * values[w];
      }
    }
  }
  store_floats<Width>(sums, static_cast<T*>(k.y) + int64_t{item} * Width);
}

// The arguments in units of `width` elements.
ResizeKernel kernel_of(const ResizeArguments& a, int64_t width) {
  ResizeKernel k{};
  k.x = a.x;
  k.y = a.y;
  k.axes = a.axes;
  const ResizeTap* taps = a.taps;
  for (int s = 0; s < kMaxResized; ++s) {
    k.count[s] = s < a.resized ? a.axis[s].taps : 1;
    if (s < a.resized) {
      k.taps[s] = taps;
      taps += a.axis[s].out * a.axis[s].taps;
    }
  }
  int64_t items = 1;
  for (int d = 0; d < a.axes; ++d) {
    const bool last = d + 1 == a.axes;
    const int64_t extent = last ? a.extents[d] / width : a.extents[d];
    items *= extent;
    k.extents[d] = Divisor(extent);
    k.x_strides[d] = last ? a.x_strides[d] : a.x_strides[d] / width;
    k.slot[d] = a.slot[d];
    if (a.slot[d] >= 0) k.step[a.slot[d]] = k.x_strides[d];
  }
  k.items = static_cast<uint32_t>(items);
  return k;
}

// True where the innermost axis is not resized, and `width` elements of it are an access.
bool is_vector(const ResizeArguments& a, int64_t width) {
  const int last = a.axes - 1;
  bool fits = a.slot[last] < 0 && a.x_strides[last] == 1 && a.extents[last] % width == 0 &&
              is_aligned(a.x, 16) && is_aligned(a.y, 16);
  for (int d = 0; d < last; ++d) fits = fits && a.x_strides[d] % width == 0;
  return fits;
}

unsigned blocks_of(const ResizeKernel& k) { return (k.items + kThreads - 1) / kThreads; }

void launch_nearest(const ResizeArguments& a, cudaStream_t stream) {
  const size_t size = size_of(a.type);
  const auto width = static_cast<int64_t>(16 / size);
  if (is_vector(a, width)) {
    const ResizeKernel k = kernel_of(a, width);
    resize_nearest<uint4><<<blocks_of(k), kThreads, 0, stream>>>(k);
    return;
  }
  const ResizeKernel k = kernel_of(a, 1);
  dispatch_size(size, [&](auto tag) {
    resize_nearest<typename decltype(tag)::type><<<blocks_of(k), kThreads, 0, stream>>>(k);
  });
}

template <typename T>
void launch_filtered(const ResizeArguments& a, cudaStream_t stream) {
  constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
  if (is_vector(a, kWidth)) {
    const ResizeKernel k = kernel_of(a, kWidth);
    resize_filtered<T, kWidth><<<blocks_of(k), kThreads, 0, stream>>>(k);
  } else {
    const ResizeKernel k = kernel_of(a, 1);
    resize_filtered<T, 1><<<blocks_of(k), kThreads, 0, stream>>>(k);
  }
}

}  // namespace

void launch_resize(const ResizeArguments& a, cudaStream_t stream) {
  int64_t items = 1;
  for (int d = 0; d < a.axes; ++d) items *= a.extents[d];
  if (items == 0) return;
  int64_t longest = 0;
  for (int i = 0; i < a.resized; ++i) longest = std::max(longest, a.axis[i].out);
  if (a.resized > 0) {
    const dim3 grid(static_cast<unsigned>((longest + 127) / 128), static_cast<unsigned>(a.resized));
    write_all_taps<<<grid, 128, 0, stream>>>(a);
  }
  if (a.filter == ResizeFilter::kNearest) {
    launch_nearest(a, stream);
  } else {
    dispatch_float(a.type,
                   [&](auto tag) { launch_filtered<typename decltype(tag)::type>(a, stream); });
  }
}

}  // namespace penstock::ops
