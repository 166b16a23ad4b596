// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/attention.h"

#include <algorithm>

namespace penstock::simd {

const AttentionKernel& attention_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx512: return kAttentionAvx512;
    case Isa::kAvx2: return kAttentionAvx2;
    case Isa::kBaseline: break;
  }
  return kAttentionBaseline;
}

int64_t attention_rows_per_call(const AttentionKernel& kernel, int64_t heads, int64_t queries,
                                int threads) {
  // Whole heads first: their K and V then stay in one core's cache.
  const int64_t calls = std::max<int64_t>(1, 2 * threads / std::max<int64_t>(1, heads));
  const int64_t rows = (queries + calls - 1) / calls;
  const int64_t block = kernel.query_block;
  return std::max(block, (rows + block - 1) / block * block);
}

size_t attention_workspace_floats(const AttentionKernel& kernel, const AttentionArgs& args) {
  const int64_t block = kernel.query_block;
  const int64_t keys = std::min(args.keys, kAttentionKeyBlock);
  const int64_t value_depth = (args.value_depth + block - 1) / block * block;
  // Q transposed, scores, edge of V, result and one block's share of it; copies of K and V.
  return static_cast<size_t>(block * (args.depth + 2 * keys + 2 * value_depth) +
                             args.keys * (args.depth + value_depth));
}

}  // namespace penstock::simd
