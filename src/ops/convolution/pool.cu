// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "backends/cuda/byte_types.cuh"
#include "backends/cuda/launch_math.cuh"
#include "ops/convolution/convolution_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

// fn(ElementTag<T>): floats, and integers of 8 bits, which are exact in float.
template <typename Fn>
void dispatch_pooled(DataType type, Fn&& fn) {
  if (type == DataType::kInt8) return fn(ElementTag<int8_t>{});
  if (type == DataType::kUInt8) return fn(ElementTag<uint8_t>{});
  dispatch_float(type, fn);
}

struct PoolKernel {
  PoolArguments a;
  Divisor packs;  // of channels, where they come last
  Divisor out[3];
  uint32_t items;
};

// The taps of a window that lie inside, along one axis.
struct Span {
  int first;  // place of tap 0
  int begin;  // taps [begin, end) are inside
  int end;
  int counted;  // taps inside or in the explicit padding
};

__device__ inline Span span_of(const PoolArguments& a, int axis, int place) {
  const int step = a.dilation[axis];
  Span span;
  span.first = place * a.stride[axis] - a.pad_begin[axis];
  span.begin = span.first < 0 ? (step - 1 - span.first) / step : 0;
  const int after = a.in[axis] - span.first;  // places from tap 0 to the end
  span.end = min(a.kernel[axis], after <= 0 ? 0 : (after + step - 1) / step);
  const int padded = after + a.pad_end[axis];
  span.counted = min(a.kernel[axis], padded <= 0 ? 0 : (padded + step - 1) / step);
  return span;
}

struct Window {
  Span axis[3];

  __device__ int taps() const {
    int count = 1;
    for (int d = 0; d < 3; ++d) count *= max(0, axis[d].end - axis[d].begin);
    return count;
  }
  __device__ int counted() const { return axis[0].counted * axis[1].counted * axis[2].counted; }
};

// Of a window that has no tap.
template <typename T>
__device__ constexpr float least() {
  return sizeof(T) > 1 ? -INFINITY : T(-1) < T(0) ? -128.0f : 0.0f;
}

template <int Width>
__device__ void take(const PoolArguments& a, bool first, const float* values, float* result) {
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    if (a.kind == PoolKind::kMax) {
      if (first || values[i] > result[i]) result[i] = values[i];
    } else if (a.kind == PoolKind::kAverage) {
      result[i] += values[i];
    } else {
      const float size = fabsf(values[i]);
      result[i] += a.p == 2.0f ? size * size : a.p == 1.0f ? size : powf(size, a.p);
    }
  }
}

// The largest of Size x Size taps of an image, all read at once: a tap outside is replaced by the
// nearest inside, which changes no maximum.
template <typename T, int Width, int Size>
__device__ void take_largest(const PoolArguments& a, const Window& window, const T* x, int64_t step,
                             float* result) {
  const Span& rows = window.axis[1];
  const Span& columns = window.axis[2];
  Pack<T, Width> packs[Size * Size];
#pragma unroll
  for (int i = 0; i < Size; ++i) {
    const int h = rows.first + min(max(i, rows.begin), rows.end - 1) * a.dilation[1];
#pragma unroll
    for (int j = 0; j < Size; ++j) {
      const int w = columns.first + min(max(j, columns.begin), columns.end - 1) * a.dilation[2];
      const T* from = x + (h * a.in[2] + w) * step;
      packs[i * Size + j] = *reinterpret_cast<const Pack<T, Width>*>(from);
    }
  }
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    result[i] = to_float(packs[0].at[i]);
#pragma unroll
    for (int tap = 1; tap < Size * Size; ++tap) {
      const float value = to_float(packs[tap].at[i]);
      if (value > result[i]) result[i] = value;
    }
  }
}

// Size 0: any window; else maxima of images by windows of this size.
template <typename T, int Width, int Size>
__global__ void pool(const __grid_constant__ PoolKernel kernel) {
  const PoolArguments& a = kernel.a;
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= kernel.items) return;
  uint32_t rest = item;
  // Plain: [batch and channel, place]; channels last: [batch, place, pack of channels].
  const uint32_t pack = a.channels_last ? kernel.packs.split(rest) : 0;
  Window window;
  for (int d = 2; d >= 0; --d) {
    window.axis[d] = span_of(a, d, static_cast<int>(kernel.out[d].split(rest)));
  }
  const int64_t area = int64_t{a.in[0]} * a.in[1] * a.in[2];
  const int64_t step = a.channels_last ? a.channels : 1;  // from place to place
  const T* x = static_cast<const T*>(a.x) + rest * area * step + pack * Width;
  float result[Width];
#pragma unroll
  for (int i = 0; i < Width; ++i) result[i] = a.kind == PoolKind::kMax ? least<T>() : 0.0f;
  if (Size > 0 && window.taps() > 0) {
    take_largest<T, Width, (Size > 0 ? Size : 1)>(a, window, x, step, result);
    store_floats<Width>(result, static_cast<T*>(a.y) + int64_t{item} * Width);
    return;
  }
  bool first = true;
  for (int d = window.axis[0].begin; d < window.axis[0].end; ++d) {
    const int64_t plane = window.axis[0].first + d * a.dilation[0];
    for (int h = window.axis[1].begin; h < window.axis[1].end; ++h) {
      const int64_t row = plane * a.in[1] + window.axis[1].first + h * a.dilation[1];
      for (int w = window.axis[2].begin; w < window.axis[2].end; ++w) {
        const int64_t place = row * a.in[2] + window.axis[2].first + w * a.dilation[2];
        float values[Width];
        load_floats<Width>(x + place * step, values);
        take<Width>(a, first, values, result);
        first = false;
      }
    }
  }
  if (a.kind == PoolKind::kAverage) {
    const int count = a.count_padding ? window.counted() : window.taps();
    const float divisor = count == 0 ? 1.0f : static_cast<float>(count);
#pragma unroll
    for (int i = 0; i < Width; ++i) result[i] = count == 0 ? 0.0f : result[i] / divisor;
  } else if (a.kind == PoolKind::kLp && a.p != 1.0f) {
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      result[i] = a.p == 2.0f ? sqrtf(result[i]) : powf(result[i], 1.0f / a.p);
    }
  }
  store_floats<Width>(result, static_cast<T*>(a.y) + int64_t{item} * Width);
}

template <typename T, int Width>
void launch(const PoolArguments& a, cudaStream_t stream) {
  PoolKernel kernel;
  kernel.a = a;
  kernel.packs = Divisor(a.channels / Width);
  int64_t items = a.batch * a.channels / Width;
  for (int d = 0; d < 3; ++d) {
    kernel.out[d] = Divisor(a.out[d]);
    items *= a.out[d];
  }
  if (items == 0) return;
  kernel.items = static_cast<uint32_t>(items);
  const auto blocks = static_cast<unsigned>((items + kThreads - 1) / kThreads);
  const bool is_image = a.kind == PoolKind::kMax && a.kernel[0] == 1 && a.in[0] == 1;
  if (is_image && a.kernel[1] == 3 && a.kernel[2] == 3) {
    pool<T, Width, 3><<<blocks, kThreads, 0, stream>>>(kernel);
  } else if (is_image && a.kernel[1] == 2 && a.kernel[2] == 2) {
    pool<T, Width, 2><<<blocks, kThreads, 0, stream>>>(kernel);
  } else {
    pool<T, Width, 0><<<blocks, kThreads, 0, stream>>>(kernel);
  }
}

}  // namespace

void launch_pool(const PoolArguments& a, cudaStream_t stream) {
  dispatch_pooled(a.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    const bool vector =
        a.channels_last && a.channels % kWidth == 0 && is_aligned(a.x, 16) && is_aligned(a.y, 16);
    vector ? launch<T, kWidth>(a, stream) : launch<T, 1>(a, stream);
  });
}

}  // namespace penstock::ops
