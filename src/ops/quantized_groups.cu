// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Convolutions of 8-bit integers in groups, filters for single channels among them: an output a
// thread, neighbouring threads having neighbouring outputs of a pixel.
#include "backends/cuda/byte_types.cuh"
#include "backends/cuda/launch_math.cuh"
#include "ops/quantized_epilogue.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

struct GroupsKernel {
  ProductArguments a;
  Divisor outputs;
  Divisor width;
  Divisor height;
  Divisor group_outputs;
  uint32_t items;
};

__device__ inline int centered(const ProductArguments& a, const void* x, int64_t at) {
  return a.x_unsigned ? static_cast<int>(static_cast<const uint8_t*>(x)[at]) - 128
                      : static_cast<int>(static_cast<const int8_t*>(x)[at]);
}

__global__ void __launch_bounds__(kThreads) sum_groups(const __grid_constant__ GroupsKernel kernel) {
  const ProductArguments& a = kernel.a;
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= kernel.items) return;
  uint32_t rest = item;
  const auto output = static_cast<int>(kernel.outputs.split(rest));
  const auto column = static_cast<int>(kernel.width.split(rest));
  const auto row = static_cast<int>(kernel.height.split(rest));
  const int group = static_cast<int>(kernel.group_outputs.divide(static_cast<uint32_t>(output)));
  const int64_t image = static_cast<int64_t>(rest) * a.in_height * a.in_width;
  const auto* w = static_cast<const int8_t*>(a.w) + static_cast<int64_t>(output) * a.row_bytes;
  const int zero = a.x_zero - (a.x_unsigned ? 128 : 0);
  int sum = 0;
  for (int i = 0; i < a.kernel_height; ++i) {
    const int y = row * a.stride_height - a.pad_top + i * a.dilation_height;
    for (int j = 0; j < a.kernel_width; ++j, w += a.padded_channels) {
      const int x = column * a.stride_width - a.pad_left + j * a.dilation_width;
      const bool inside = y >= 0 && y < a.in_height && x >= 0 && x < a.in_width;
      const int64_t from = (image + static_cast<int64_t>(inside ? y : 0) * a.in_width +
                            (inside ? x : 0)) * a.channels + group * a.group_channels;
      for (int c = 0; c < a.group_channels; ++c) {
        sum += (inside ? centered(a, a.x, from + c) : zero) * w[c];
      }
    }
  }
  finish_any<1>(a, &sum, output, item);
}

}  // namespace

void launch_product_in_groups(const ProductArguments& a, cudaStream_t stream) {
  GroupsKernel kernel;
  kernel.a = a;
  kernel.outputs = Divisor(a.outputs);
  kernel.width = Divisor(a.out_width);
  kernel.height = Divisor(a.out_height);
  kernel.group_outputs = Divisor(a.outputs / a.groups);
  const int64_t items = a.batch * a.out_height * a.out_width * a.outputs;
  if (items == 0) return;
  kernel.items = static_cast<uint32_t>(items);
  sum_groups<<<ceil_div(items, kThreads), kThreads, 0, stream>>>(kernel);
}

}  // namespace penstock::ops
