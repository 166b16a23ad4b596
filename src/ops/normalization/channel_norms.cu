// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// BatchNormalization, InstanceNormalization and GroupNormalization.
#include "backends/cuda/launch_math.cuh"
#include "ops/normalization/normalization_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

__device__ float load(const ChannelVector& vector, int64_t channel) {
  return load_float(vector.data, vector.type, channel);
}

// A channel's mean, factor and bias. Calls keep the kernels, which need up to eight of
// them for a thread, small.
__device__ __noinline__ float3 batch_line(const ChannelVector& scale, const ChannelVector& bias,
                                          const ChannelVector& mean, const ChannelVector& variance,
                                          float epsilon, int64_t channel) {
  const float factor = load(scale, channel) / sqrtf(load(variance, channel) + epsilon);
  return {load(mean, channel), factor, load(bias, channel)};
}

__device__ __noinline__ float2 group_line(const ChannelVector& scale, const ChannelVector& bias,
                                          int64_t at) {
  return {load(scale, at), load(bias, at)};
}

// Width elements at a time: of one channel, or of as many channels where they come last.
template <typename T, int Width, bool kChannelsLast, typename Index>
__global__ void batch_norm(const BatchNormArguments a, Index packs) {
  const auto spatial = static_cast<Index>(a.spatial);
  const auto channels = static_cast<Index>(a.channels);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += step) {
    const Index at = i * Width;
    float values[Width];
    load_floats<Width>(static_cast<const T*>(a.x) + at, values);
    const Index channel = kChannelsLast ? at % channels : at / spatial % channels;
    float3 line = {};
#pragma unroll
    for (int k = 0; k < Width; ++k) {
      if (k == 0 || kChannelsLast) {
        line = batch_line(a.scale, a.bias, a.mean, a.variance, a.epsilon, channel + k);
      }
      values[k] = (values[k] - line.x) * line.y + line.z;
    }
    store_floats<Width>(values, static_cast<T*>(a.y) + at);
  }
}

template <typename T, int Width, bool kChannelsLast>
void launch_batch(const BatchNormArguments& a, cudaStream_t stream) {
  const int64_t packs = a.batch * a.channels * a.spatial / Width;
  const unsigned blocks = grid_of(packs, 256);
  if (fits_32_bits(packs * Width)) {
    batch_norm<T, Width, kChannelsLast, uint32_t>
        <<<blocks, 256, 0, stream>>>(a, static_cast<uint32_t>(packs));
  } else {
    batch_norm<T, Width, kChannelsLast, uint64_t>
        <<<blocks, 256, 0, stream>>>(a, static_cast<uint64_t>(packs));
  }
}

// Where the packs of a group are: in one run, or a run in each place where channels come last.
struct GroupPacks {
  int64_t first;      // element
  int64_t run;        // packs without a gap
  int64_t step;       // elements from run to run
  int64_t packs;      // of the group
  int64_t per_group;  // channels
};

template <int Width>
__device__ GroupPacks group_packs(const GroupNormArguments& a, int64_t image, int64_t group) {
  GroupPacks g;
  g.per_group = a.channels / a.groups;
  g.packs = g.per_group * a.spatial / Width;
  if (a.channels_last) {
    g.first = image * a.spatial * a.channels + group * g.per_group;
    g.run = g.per_group / Width;
    g.step = a.channels;
  } else {
    g.first = (image * a.channels + group * g.per_group) * a.spatial;
    g.run = g.packs;
    g.step = 0;
  }
  return g;
}

// A block for each group of each image: the mean, the variance, the result.
template <typename T, int Width, bool kChannelsLast>
__global__ void group_norm(const GroupNormArguments a) {
  const int64_t image = blockIdx.x / a.groups;
  const int64_t group = blockIdx.x % a.groups;
  const GroupPacks g = group_packs<Width>(a, image, group);
  const T* x = static_cast<const T*>(a.x);
  // 32-bit division: offers refuse groups of 2^31 elements and more.
  const auto run = static_cast<uint32_t>(g.run);
  const auto packs = static_cast<uint32_t>(g.packs);
  const auto place = [&](uint32_t pack) {
    return kChannelsLast ? g.first + pack / run * g.step + int64_t{pack % run} * Width
                         : g.first + int64_t{pack} * Width;
  };
  float total = 0;
  for (uint32_t p = threadIdx.x; p < packs; p += blockDim.x) {
    float values[Width];
    load_floats<Width>(x + place(p), values);
#pragma unroll
    for (int i = 0; i < Width; ++i) total += values[i];
  }
  const float count = static_cast<float>(packs) * Width;
  const float mean = block_reduce(total, 0.0f, AddOp()) / count;
  float squares = 0;
  for (uint32_t p = threadIdx.x; p < packs; p += blockDim.x) {
    float values[Width];
    load_floats<Width>(x + place(p), values);
#pragma unroll
    for (int i = 0; i < Width; ++i) squares += (values[i] - mean) * (values[i] - mean);
  }
  const float inverse = rsqrtf(block_reduce(squares, 0.0f, AddOp()) / count + a.epsilon);
  const auto spatial = static_cast<uint32_t>(a.spatial);
  for (uint32_t p = threadIdx.x; p < packs; p += blockDim.x) {
    float values[Width];
    load_floats<Width>(x + place(p), values);
    // Plain: Width divides spatial, so that a pack has one channel.
    const int64_t channel =
        group * g.per_group + (kChannelsLast ? p % run * Width : p * Width / spatial);
    float2 line = {};
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      if (i == 0 || kChannelsLast) {
        line = group_line(a.scale, a.bias, a.group_scales ? group : channel + i);
      }
      values[i] = (values[i] - mean) * inverse * line.x + line.y;
    }
    store_floats<Width>(values, static_cast<T*>(a.y) + place(p));
  }
}

template <typename T, int Width, bool kChannelsLast>
void launch_group(const GroupNormArguments& a, cudaStream_t stream) {
  const int64_t packs = a.channels / a.groups * a.spatial / Width;
  const unsigned threads = packs <= 64 ? 32 : packs <= 1024 ? 128 : packs <= 4096 ? 512 : 1024;
  group_norm<T, Width, kChannelsLast>
      <<<static_cast<unsigned>(a.batch * a.groups), threads, 0, stream>>>(a);
}

template <typename Arguments>
bool is_vector(const Arguments& a, int64_t run, int width) {
  return is_aligned(a.x, 16) && is_aligned(a.y, 16) && run % width == 0;
}

}  // namespace

void launch_batch_norm(const BatchNormArguments& a, cudaStream_t stream) {
  if (a.batch * a.channels * a.spatial == 0) return;
  dispatch_float(a.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    const bool vector = is_vector(a, a.channels_last ? a.channels : a.spatial, kWidth);
    if (a.channels_last) {
      vector ? launch_batch<T, kWidth, true>(a, stream) : launch_batch<T, 1, true>(a, stream);
    } else {
      vector ? launch_batch<T, kWidth, false>(a, stream) : launch_batch<T, 1, false>(a, stream);
    }
  });
}

void launch_group_norm(const GroupNormArguments& a, cudaStream_t stream) {
  if (a.batch * a.channels * a.spatial == 0) return;
  dispatch_float(a.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    const bool vector = is_vector(a, a.channels_last ? a.channels / a.groups : a.spatial, kWidth);
    if (a.channels_last) {
      vector ? launch_group<T, kWidth, true>(a, stream) : launch_group<T, 1, true>(a, stream);
    } else {
      vector ? launch_group<T, kWidth, false>(a, stream) : launch_group<T, 1, false>(a, stream);
    }
  });
}

}  // namespace penstock::ops
