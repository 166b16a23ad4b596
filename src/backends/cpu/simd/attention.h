// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Fused FP32 attention of one (batch, head): out = softmax(scale * Q K^T + masks) V. A call
// computes query rows [begin, end), so that a caller spreads (batch, head, query block) over its
// threads.
//
// Scores never leave the cache, and neither K nor V is copied: every matrix may lie inside a larger
// buffer, such as [B, S, 3, H, D], given its row stride.

#include <cstddef>
#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

// A matrix [queries, keys] added to the scores; row_stride 0 uses one row for every query.
struct ScoreMask {
  const float* data = nullptr;
  int64_t row_stride = 0;
};

struct AttentionArgs {
  int64_t keys = 0;
  int64_t depth = 0;        // floats of a row of Q and of K
  int64_t value_depth = 0;  // of a row of V and of out
  const float* q = nullptr;
  int64_t q_stride = 0;  // floats from row to row, here and below
  const float* k = nullptr;
  int64_t k_stride = 0;
  const float* v = nullptr;
  int64_t v_stride = 0;
  float* out = nullptr;
  int64_t out_stride = 0;
  float scale = 1.0f;
  ScoreMask masks[2] = {};        // two, so that a position bias and a window mask need no sum
  const uint8_t* keep = nullptr;  // [queries, keys], a score is -inf where it is 0
  int64_t keep_stride = 0;        // 0 as in ScoreMask
  bool causal = false;            // query i sees keys j <= i + causal_offset only; V's rows that
  int64_t causal_offset = 0;      // no query of a block sees are not read
};

// A row whose scores are all -inf gives NaN, one whose scores are all equal and finite the mean of
// V: what the formula gives. Without keys the result is 0.
struct AttentionKernel {
  const char* name;
  int query_block;  // rows computed together; a good split is a multiple of it
  int lanes;        // width of a vector
  void (*run)(const AttentionArgs& args, int64_t begin, int64_t end, float* workspace);
};

extern const AttentionKernel kAttentionBaseline;
extern const AttentionKernel kAttentionAvx2;
extern const AttentionKernel kAttentionAvx512;

const AttentionKernel& attention_kernel(Isa isa);

// Rows for one call so that `heads` (batch x heads) of `queries` rows keep `threads` threads busy.
int64_t attention_rows_per_call(const AttentionKernel& kernel, int64_t heads, int64_t queries,
                                int threads);

// Floats of workspace that one run() call needs, of any range.
size_t attention_workspace_floats(const AttentionKernel& kernel, const AttentionArgs& args);

// Keys whose scores are held at once; longer rows go block by block with a running maximum
// (M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax", 2018).
inline constexpr int64_t kAttentionKeyBlock = 512;

}  // namespace penstock::simd
