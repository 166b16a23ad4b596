// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/depthwise.h"

#include <algorithm>

#include "backends/cpu/simd/depthwise_block.h"

namespace penstock::simd {

const DepthwiseKernel& depthwise_kernel(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512: return kDepthwiseAvx512;
    case Isa::kAvx2: return kDepthwiseAvx2;
#endif
    default: return kDepthwiseBaseline;
  }
}

bool depthwise_supports(int64_t kernel_w, int64_t stride_w) {
  return (kernel_w == 3 || kernel_w == 5 || kernel_w == 7) && (stride_w == 1 || stride_w == 2);
}

int64_t depthwise_items(const DepthwiseArgs& args) {
  if (depthwise_is_staged(args)) {
    return args.batch * depthwise_chunks(args.channels) * args.out_h;
  }
  const DirectGrid grid(args);
  return args.batch * args.out_h * grid.blocks * grid.groups;
}

size_t depthwise_workspace_floats(const DepthwiseArgs& args) {
  return static_cast<size_t>(args.kernel_h * depthwise_row_columns(args) * kDepthwiseChunk);
}

size_t depthwise_packed_floats(int64_t channels, int64_t kernel_h, int64_t kernel_w) {
  return static_cast<size_t>(depthwise_chunks(channels) * kDepthwiseChunk * kernel_h * kernel_w);
}

void depthwise_pack(const float* w, int64_t channels, int64_t kernel_h, int64_t kernel_w,
                    float* packed) {
  const int64_t taps = kernel_h * kernel_w;
  std::fill_n(packed, depthwise_packed_floats(channels, kernel_h, kernel_w), 0.0f);
  for (int64_t c = 0; c < channels; ++c) {
    float* to = packed + c / kDepthwiseChunk * taps * kDepthwiseChunk + c % kDepthwiseChunk;
    for (int64_t tap = 0; tap < taps; ++tap) to[tap * kDepthwiseChunk] = w[c * taps + tap];
  }
}

}  // namespace penstock::simd
