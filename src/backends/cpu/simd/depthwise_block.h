// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Sizes that depthwise.cc and the kernels agree on.

#include "backends/cpu/simd/depthwise.h"

namespace penstock::simd {

// Outputs of a row held in registers at once. Seven divides the widths of the usual image networks
// (7, 14, 28, 56, 112), and leaves registers for seven weights and one input of 16.
inline constexpr int64_t kDepthwiseColumns = 7;

inline int64_t depthwise_chunks(int64_t channels) {
  return (channels + kDepthwiseChunk - 1) / kDepthwiseChunk;
}

// Columns of a staged input row: all that the outputs read, padding included.
inline int64_t depthwise_row_columns(const DepthwiseArgs& args) {
  const int64_t outputs = args.out_w < kDepthwiseColumns ? kDepthwiseColumns : args.out_w;
  return (outputs - 1) * args.stride_w + args.kernel_w;
}

// Chunks of channels that an item of a narrow kernel takes: long enough runs for prefetching, short
// enough to give each thread its share of small images.
inline constexpr int64_t kDepthwiseGroup = 8;

inline bool depthwise_is_staged(const DepthwiseArgs& args) { return args.kernel_w > 3; }

// Items of a narrow kernel: groups of channels fastest, then groups of columns, rows, images.
struct DirectGrid {
  explicit DirectGrid(const DepthwiseArgs& args)
      : groups((depthwise_chunks(args.channels) + kDepthwiseGroup - 1) / kDepthwiseGroup),
        blocks((args.out_w + kDepthwiseColumns - 1) / kDepthwiseColumns) {}
  int64_t groups;
  int64_t blocks;
};

}  // namespace penstock::simd
