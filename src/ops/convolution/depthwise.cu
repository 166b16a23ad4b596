// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/launch_math.cuh"
#include "ops/activation.cuh"
#include "ops/convolution/convolution_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 128;

struct DepthwiseKernel {
  DepthwiseArguments a;
  Divisor packs;    // of channels
  Divisor columns;  // of the result, or groups of them
  Divisor rows;
  uint32_t items;
};

// A call: kernels apply it to each of their results.
__device__ __noinline__ float activate_by_call(EpilogueStep::Kind kind, float a, float b, float x) {
  return activate(kind, a, b, 0.0f, x);
}

// Runs the epilogue on results that go to y[at...], and stores them.
template <typename T, int Width>
__device__ void finish(const DepthwiseArguments& a, float* values, int64_t at) {
  for (int s = 0; s < a.steps; ++s) {
    const DeviceStep& step = a.step[s];
    if (step.kind == EpilogueStep::Kind::kAdd || step.kind == EpilogueStep::Kind::kMul) {
      float operand[Width];
      load_floats<Width>(static_cast<const T*>(step.operand) + at, operand);
#pragma unroll
      for (int i = 0; i < Width; ++i) {
        values[i] =
            step.kind == EpilogueStep::Kind::kAdd ? values[i] + operand[i] : values[i] * operand[i];
      }
    } else if (step.kind == EpilogueStep::Kind::kRelu) {
#pragma unroll
      for (int i = 0; i < Width; ++i) values[i] = fmaxf(values[i], 0.0f);
    } else {
#pragma unroll
      for (int i = 0; i < Width; ++i) values[i] = activate_by_call(step.kind, step.a, step.b, values[i]);
    }
  }
  store_floats<Width>(values, static_cast<T*>(a.y) + at);
}

// Channels last: a thread has Width channels of Count neighbouring columns, which share the columns
// of x that they read. No dilation.
template <typename T, int Width, int Kernel, int Stride, int Count>
__global__ void __launch_bounds__(kThreads)
    depthwise_channels_last(const __grid_constant__ DepthwiseKernel kernel) {
  const DepthwiseArguments& a = kernel.a;
  uint32_t rest = blockIdx.x * kThreads + threadIdx.x;
  if (rest >= kernel.items) return;
  const int64_t channel = int64_t{kernel.packs.split(rest)} * Width;
  const int column = static_cast<int>(kernel.columns.split(rest)) * Count;
  const int row = static_cast<int>(kernel.rows.split(rest));
  const int64_t image = rest;
  const T* x = static_cast<const T*>(a.x) + image * a.in_height * a.in_width * a.channels + channel;
  const T* weights = static_cast<const T*>(a.weights) + channel;
  float sums[Count][Width];
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    const float bias = a.bias == nullptr ? 0.0f : load_float(a.bias, a.bias_type, channel + i);
#pragma unroll
    for (int c = 0; c < Count; ++c) sums[c][i] = bias;
  }
  const int left = column * Stride - a.pad_left;
#pragma unroll 1
  for (int kh = 0; kh < Kernel; ++kh) {
    const int y = row * a.stride_height - a.pad_top + kh;
    if (y < 0 || y >= a.in_height) continue;
    float taps[Kernel][Width];
#pragma unroll
    for (int kw = 0; kw < Kernel; ++kw) {
      load_floats<Width>(weights + (kh * Kernel + kw) * a.channels, taps[kw]);
    }
    const T* line = x + (int64_t{y} * a.in_width + left) * a.channels;
#pragma unroll
    for (int i = 0; i < (Count - 1) * Stride + Kernel; ++i) {
      if (left + i < 0 || left + i >= a.in_width) continue;
      float values[Width];
      load_floats<Width>(line + i * a.channels, values);
#pragma unroll
      for (int c = 0; c < Count; ++c) {
        const int kw = i - c * Stride;
        if (kw < 0 || kw >= Kernel) continue;
#pragma unroll
        for (int k = 0; k < Width; ++k) sums[c][k] += values[k] * taps[kw][k];
      }
    }
  }
  const int64_t first =
      ((image * a.out_height + row) * a.out_width + column) * a.channels + channel;
#pragma unroll
  for (int c = 0; c < Count; ++c) {
    if (column + c < a.out_width) finish<T, Width>(a, sums[c], first + c * a.channels);
  }
}

// Any window: a result for each thread (Width of them where channels come last). Kernel is the
// width and height of the filter where it is not 0.
template <typename T, int Width, int Kernel, bool kChannelsLast>
__global__ void __launch_bounds__(kThreads)
    depthwise_any(const __grid_constant__ DepthwiseKernel kernel) {
  const DepthwiseArguments& a = kernel.a;
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= kernel.items) return;
  uint32_t rest = item;
  const int64_t last = kChannelsLast ? kernel.packs.split(rest) : 0;
  const int column = static_cast<int>(kernel.columns.split(rest));
  const int row = static_cast<int>(kernel.rows.split(rest));
  const int64_t channel = kChannelsLast ? last * Width : kernel.packs.split(rest);
  const int64_t image = rest;
  const int64_t area = int64_t{a.in_height} * a.in_width;
  const T* x = static_cast<const T*>(a.x) + (kChannelsLast ? image * area * a.channels + channel
                                                           : (image * a.channels + channel) * area);
  const int height = Kernel == 0 ? a.kernel_height : Kernel;
  const int width = Kernel == 0 ? a.kernel_width : Kernel;
  const T* weights =
      static_cast<const T*>(a.weights) + (kChannelsLast ? channel : channel * height * width);
  const int64_t step = kChannelsLast ? a.channels : 1;  // from place to place, and tap to tap
  float sums[Width];
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    sums[i] = a.bias == nullptr ? 0.0f : load_float(a.bias, a.bias_type, channel + i);
  }
  const int top = row * a.stride_height - a.pad_top;
  const int left = column * a.stride_width - a.pad_left;
#pragma unroll
  for (int kh = 0; kh < height; ++kh) {
    const int y = top + kh * a.dilation_height;
    if (y < 0 || y >= a.in_height) continue;
#pragma unroll
    for (int kw = 0; kw < width; ++kw) {
      const int place = left + kw * a.dilation_width;
      if (place < 0 || place >= a.in_width) continue;
      float values[Width];
      float taps[Width];
      load_floats<Width>(x + (int64_t{y} * a.in_width + place) * step, values);
      load_floats<Width>(weights + (kh * width + kw) * step, taps);
#pragma unroll
      for (int i = 0; i < Width; ++i) sums[i] += values[i] * taps[i];
    }
  }
  finish<T, Width>(a, sums, int64_t{item} * Width);
}

DepthwiseKernel kernel_of(const DepthwiseArguments& a, int width, int count) {
  DepthwiseKernel kernel;
  const int64_t packs = a.channels / width;
  const int64_t columns = (a.out_width + count - 1) / count;
  kernel.a = a;
  kernel.packs = Divisor(packs);
  kernel.columns = Divisor(columns);
  kernel.rows = Divisor(a.out_height);
  kernel.items = static_cast<uint32_t>(a.batch * packs * columns * a.out_height);
  return kernel;
}

unsigned blocks_of(const DepthwiseKernel& kernel) {
  return (kernel.items + kThreads - 1) / kThreads;
}

template <typename T, int Kernel, int Stride>
void launch_columns(const DepthwiseArguments& a, cudaStream_t stream) {
  constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
  constexpr int kCount = Stride == 1 ? 4 : 2;
  const DepthwiseKernel kernel = kernel_of(a, kWidth, kCount);
  depthwise_channels_last<T, kWidth, Kernel, Stride, kCount>
      <<<blocks_of(kernel), kThreads, 0, stream>>>(kernel);
}

template <typename T, int Width, bool kChannelsLast>
void launch_any(const DepthwiseArguments& a, cudaStream_t stream) {
  const DepthwiseKernel kernel = kernel_of(a, Width, 1);
  const unsigned blocks = blocks_of(kernel);
  const bool square = a.kernel_height == a.kernel_width && !kChannelsLast;
  if (square && a.kernel_width == 3) {
    depthwise_any<T, Width, kChannelsLast ? 0 : 3, kChannelsLast>
        <<<blocks, kThreads, 0, stream>>>(kernel);
  } else if (square && a.kernel_width == 5) {
    depthwise_any<T, Width, kChannelsLast ? 0 : 5, kChannelsLast>
        <<<blocks, kThreads, 0, stream>>>(kernel);
  } else {
    depthwise_any<T, Width, 0, kChannelsLast><<<blocks, kThreads, 0, stream>>>(kernel);
  }
}

bool is_vector(const DepthwiseArguments& a, int width) {
  bool aligned = is_aligned(a.x, 16) && is_aligned(a.y, 16) && is_aligned(a.weights, 16);
  for (int s = 0; s < a.steps; ++s) aligned = aligned && is_aligned(a.step[s].operand, 16);
  return aligned && a.channels % width == 0;
}

// True where there is a kernel for neighbouring columns.
template <typename T>
bool launch_known(const DepthwiseArguments& a, cudaStream_t stream) {
  if (a.kernel_height != a.kernel_width || a.dilation_height != 1 || a.dilation_width != 1) {
    return false;
  }
  const int which = 10 * a.kernel_width + a.stride_width;
  switch (which) {
    case 31: launch_columns<T, 3, 1>(a, stream); return true;
    case 32: launch_columns<T, 3, 2>(a, stream); return true;
    case 51: launch_columns<T, 5, 1>(a, stream); return true;
    case 52: launch_columns<T, 5, 2>(a, stream); return true;
    case 71: launch_columns<T, 7, 1>(a, stream); return true;
    default: return false;
  }
}

}  // namespace

void launch_depthwise(const DepthwiseArguments& a, cudaStream_t stream) {
  if (a.batch * a.channels * a.out_height * a.out_width == 0) return;
  dispatch_float(a.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    if (!a.channels_last) {
      launch_any<T, 1, false>(a, stream);
    } else if (!is_vector(a, kWidth)) {
      launch_any<T, 1, true>(a, stream);
    } else if (!launch_known<T>(a, stream)) {
      launch_any<T, kWidth, true>(a, stream);
    }
  });
}

}  // namespace penstock::ops
