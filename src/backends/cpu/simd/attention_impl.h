// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The attention kernel, one instantiation in each attention_<isa>.cc.
//
// Scores are computed transposed, S^T = K x (scale Q)^T for a block of as many queries as two
// vectors have lanes: only the small Q block is transposed, K is read row by row as the left side
// of a product, softmax runs down the keys with one query a lane and no horizontal step, and P^T is
// then the transposed left side of P x V, with V read in place.

#include "backends/cpu/simd/attention.h"
#include "backends/cpu/simd/gemm_micro.h"
#include "backends/cpu/simd/gemm_panel.h"
#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// Blocks of queries from which copying K and V pays.
constexpr int64_t kCopyBlocks = 2;

constexpr float kMinusInfinity = -__builtin_inff();

// V multiplies, MathV does softmax; MR rows x NV vectors fill the registers.
template <typename V, typename MathV, int MR, int NV>
struct Attention {
  static constexpr int kNr = NV * V::kWidth;
  static constexpr int kMaxLanes = kNr;

  struct Workspace {
    float* q;       // [depth, lanes]
    float* scores;  // [keys of a block, lanes], then the probabilities
    float* v_edge;  // [keys of a block, kNr]
    float* sum;     // [lanes, value_depth rounded up to kNr]
    float* part;    // the same, of one block
    int64_t ld_sum;
    float* k_copy;   // [keys, depth]
    float* v_copy;   // panels [keys, kNr]
    const float* k;  // what the products read: the copy or the original
    int64_t k_stride;
    bool v_copied;
  };

  // Per query: the largest score so far, the sum of exponentials, the factor for old sums.
  struct Softmax {
    alignas(64) float top[kMaxLanes];
    alignas(64) float total[kMaxLanes];
    alignas(64) float fade[kMaxLanes];
  };

  static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

  static Workspace carve(const AttentionArgs& args, float* p) {
    const int64_t keys = lesser(args.keys, kAttentionKeyBlock);
    Workspace ws{};
    ws.ld_sum = (args.value_depth + kNr - 1) / kNr * kNr;
    ws.q = p;
    ws.scores = ws.q + args.depth * kNr;
    ws.v_edge = ws.scores + keys * kNr;
    ws.sum = ws.v_edge + keys * kNr;
    ws.part = ws.sum + ws.ld_sum * kNr;
    ws.k_copy = ws.part + ws.ld_sum * kNr;
    ws.v_copy = ws.k_copy + args.keys * args.depth;
    ws.k = args.k;
    ws.k_stride = args.k_stride;
    ws.v_copied = false;
    return ws;
  }

  // Rows far apart cost a TLB entry each and fall on few cache sets: several blocks of queries
  // gain more from dense copies than the copies cost.
  static void copy_keys_and_values(const AttentionArgs& args, int64_t queries, Workspace& ws) {
    if (queries < kCopyBlocks * kNr) return;
    if (args.k_stride > args.depth) {
      for (int64_t j = 0; j < args.keys; ++j) {
        copy_row(args.k + j * args.k_stride, args.depth, ws.k_copy + j * args.depth);
      }
      ws.k = ws.k_copy;
      ws.k_stride = args.depth;
    }
    ws.v_copied = true;
    for (int64_t col = 0; col < args.value_depth; col += kNr) {
      copy_panel<MathV>(args.v + col, args.v_stride, args.value_depth - col, args.keys, kNr,
                        ws.v_copy + col * args.keys);
    }
  }

  static void copy_row(const float* from, int64_t count, float* to) {
    int64_t i = 0;
    for (; i + MathV::kWidth <= count; i += MathV::kWidth) MathV::load(from + i).store(to + i);
    if (i < count) MathV::load_partial(from + i, count - i).store_partial(to + i, count - i);
  }

  template <int kVectors>
  static void load_queries(const AttentionArgs& args, int64_t query, int64_t count,
                           const Workspace& ws) {
    constexpr int kLanes = kVectors * V::kWidth;
    transpose_panel(args.q + query * args.q_stride, args.q_stride, count, args.depth, kLanes, ws.q);
    const MathV scale = MathV::broadcast(args.scale);
    for (int64_t i = 0; i < args.depth * kLanes; i += MathV::kWidth) {
      (MathV::load(ws.q + i) * scale).store(ws.q + i);
    }
  }

  template <int kVectors>
  static void compute_scores(const AttentionArgs& args, int64_t key, int64_t keys,
                             const Workspace& ws) {
    constexpr int kLanes = kVectors * V::kWidth;
    alignas(64) static constexpr float kZeros[kLanes] = {};
    int64_t left = keys;
    int64_t row = 0;
    for (int64_t blocks = (keys + MR - 1) / MR; blocks > 0; --blocks) {
      const int64_t count = (left + blocks - 1) / blocks;
      pick_micro<V, MR, kVectors>(
          count, false)(MicroArgs{args.depth, ws.k + (key + row) * ws.k_stride, ws.k_stride, ws.q,
                                  kLanes, 0, kZeros, ws.scores + row * kLanes, kLanes});
      row += count;
      left -= count;
    }
  }

  // scores += mask for the keys from `key` on.
  template <int kLanes>
  static void add_mask(const ScoreMask& mask, int64_t query, int64_t count, int64_t key,
                       int64_t keys, const Workspace& ws) {
    if (mask.row_stride == 0) {
      for (int64_t j = 0; j < keys; ++j) {
        const MathV x = MathV::broadcast(mask.data[key + j]);
        float* s = ws.scores + j * kLanes;
        for (int i = 0; i < kLanes; i += MathV::kWidth) (MathV::load(s + i) + x).store(s + i);
      }
      return;
    }
    add_transposed<kLanes>(mask.data + query * mask.row_stride + key, mask.row_stride, count, keys,
                           ws.scores);
  }

  template <int kLanes>
  static void apply_keep(const AttentionArgs& args, int64_t query, int64_t count, int64_t key,
                         int64_t keys, const Workspace& ws) {
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t* keep = args.keep + (query + i) * args.keep_stride + key;
      for (int64_t j = 0; j < keys; ++j) {
        if (keep[j] == 0) ws.scores[j * kLanes + i] = kMinusInfinity;
      }
    }
  }

  template <int kLanes>
  static void apply_causal(const AttentionArgs& args, int64_t query, int64_t count, int64_t key,
                           int64_t keys, const Workspace& ws) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t seen = query + i + args.causal_offset + 1 - key;
      for (int64_t j = seen > 0 ? seen : 0; j < keys; ++j) {
        ws.scores[j * kLanes + i] = kMinusInfinity;
      }
    }
  }

  // Raises top to the block's maximum and sets fade = exp(old top - new top).
  template <int kLanes>
  static void update_top(int64_t keys, const Workspace& ws, Softmax& state) {
    constexpr int kCount = kLanes / MathV::kWidth;
    MathV top[kCount];
    for (int i = 0; i < kCount; ++i) top[i] = MathV::load(state.top + i * MathV::kWidth);
    for (int64_t j = 0; j < keys; ++j) {
      PENSTOCK_UNROLL for (int i = 0; i < kCount; ++i) {
        top[i] = max(top[i], MathV::load(ws.scores + j * kLanes + i * MathV::kWidth));
      }
    }
    for (int i = 0; i < kCount; ++i) {
      const int at = i * MathV::kWidth;
      exp(MathV::load(state.top + at) - finite_top(top[i])).store(state.fade + at);
      top[i].store(state.top + at);
    }
  }

  // -inf - (-inf) is NaN: a block without a visible key must not spoil the keys of later blocks.
  static MathV finite_top(MathV top) {
    return select(cmp_eq(top, MathV::broadcast(kMinusInfinity)), MathV::zero(), top);
  }

  // scores = exp(scores - top); total = total * fade + their sum
  template <int kLanes>
  static void exponentiate(int64_t keys, const Workspace& ws, Softmax& state) {
    constexpr int kCount = kLanes / MathV::kWidth;
    MathV top[kCount];
    MathV total[kCount];
    PENSTOCK_UNROLL for (int i = 0; i < kCount; ++i) {
      const int at = i * MathV::kWidth;
      top[i] = finite_top(MathV::load(state.top + at));
      total[i] = MathV::load(state.total + at) * MathV::load(state.fade + at);
    }
    for (int64_t j = 0; j < keys; ++j) {
      PENSTOCK_UNROLL for (int i = 0; i < kCount; ++i) {
        float* s = ws.scores + j * kLanes + i * MathV::kWidth;
        const MathV p = exp(MathV::load(s) - top[i]);
        p.store(s);
        total[i] = total[i] + p;
      }
    }
    PENSTOCK_UNROLL for (int i = 0; i < kCount; ++i) total[i].store(state.total +
                                                                    i * MathV::kWidth);
  }

  // to[count, value_depth] = P x V over the keys of a block.
  template <int kLanes>
  static void multiply_values(const AttentionArgs& args, int64_t count, int64_t key, int64_t keys,
                              const Workspace& ws, float* to) {
    alignas(64) static constexpr float kZeros[kNr] = {};
    for (int64_t col = 0; col < args.value_depth; col += kNr) {
      const float* b = args.v + key * args.v_stride + col;
      int64_t ldb = args.v_stride;
      if (ws.v_copied) {
        b = ws.v_copy + col * args.keys + key * kNr;
        ldb = kNr;
      } else if (col + kNr > args.value_depth) {
        copy_panel<MathV>(b, ldb, args.value_depth - col, keys, kNr, ws.v_edge);
        b = ws.v_edge;
        ldb = kNr;
      }
      int64_t left = count;
      int64_t row = 0;
      for (int64_t blocks = (count + MR - 1) / MR; blocks > 0; --blocks) {
        const int64_t rows = (left + blocks - 1) / blocks;
        pick_micro<V, MR, NV>(rows, true)(MicroArgs{keys, ws.scores + row, kLanes, b, ldb, 0,
                                                    kZeros, to + row * ws.ld_sum + col, ws.ld_sum});
        row += rows;
        left -= rows;
      }
    }
  }

  static void fold_part(const AttentionArgs& args, int64_t count, const Workspace& ws,
                        const Softmax& state) {
    for (int64_t i = 0; i < count; ++i) {
      const MathV fade = MathV::broadcast(state.fade[i]);
      float* sum = ws.sum + i * ws.ld_sum;
      const float* part = ws.part + i * ws.ld_sum;
      for (int64_t c = 0; c < args.value_depth; c += MathV::kWidth) {
        fma(MathV::load(sum + c), fade, MathV::load(part + c)).store(sum + c);
      }
    }
  }

  static void write_rows(const AttentionArgs& args, int64_t query, int64_t count,
                         const Workspace& ws, const Softmax& state) {
    for (int64_t i = 0; i < count; ++i) {
      const MathV factor = MathV::broadcast(1.0f / state.total[i]);
      const float* sum = ws.sum + i * ws.ld_sum;
      float* out = args.out + (query + i) * args.out_stride;
      int64_t c = 0;
      for (; c + MathV::kWidth <= args.value_depth; c += MathV::kWidth) {
        (MathV::load(sum + c) * factor).store(out + c);
      }
      if (c < args.value_depth) {
        (MathV::load(sum + c) * factor).store_partial(out + c, args.value_depth - c);
      }
    }
  }

  template <int kVectors>
  static void run_block(const AttentionArgs& args, int64_t query, int64_t count,
                        const Workspace& ws) {
    constexpr int kLanes = kVectors * V::kWidth;
    Softmax state;
    for (int i = 0; i < kLanes; ++i) {
      state.top[i] = kMinusInfinity;
      state.total[i] = 0.0f;
    }
    load_queries<kVectors>(args, query, count, ws);
    int64_t end = args.keys;
    if (args.causal) end = lesser(end, query + count + args.causal_offset);
    // Blocks of equal size; at least one, so that a row without keys becomes 0 / 0.
    const int64_t blocks = end > 0 ? (end + kAttentionKeyBlock - 1) / kAttentionKeyBlock : 1;
    int64_t key = 0;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t left = end > key ? end - key : 0;
      const int64_t keys = (left + blocks - block - 1) / (blocks - block);
      compute_scores<kVectors>(args, key, keys, ws);
      for (const ScoreMask& mask : args.masks) {
        if (mask.data != nullptr) add_mask<kLanes>(mask, query, count, key, keys, ws);
      }
      if (args.keep != nullptr) apply_keep<kLanes>(args, query, count, key, keys, ws);
      if (args.causal) apply_causal<kLanes>(args, query, count, key, keys, ws);
      update_top<kLanes>(keys, ws, state);
      exponentiate<kLanes>(keys, ws, state);
      multiply_values<kLanes>(args, count, key, keys, ws, block == 0 ? ws.sum : ws.part);
      if (block > 0) fold_part(args, count, ws, state);
      key += keys;
    }
    write_rows(args, query, count, ws, state);
  }

  static void write_zeros(const AttentionArgs& args, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t c = 0; c < args.value_depth; ++c) args.out[i * args.out_stride + c] = 0.0f;
    }
  }

  static void run(const AttentionArgs& args, int64_t begin, int64_t end, float* workspace) {
    if (args.keys <= 0) return write_zeros(args, begin, end);
    Workspace ws = carve(args, workspace);
    copy_keys_and_values(args, end - begin, ws);
    for (int64_t query = begin; query < end; query += kNr) {
      const int64_t count = lesser(end - query, kNr);
      if (count <= V::kWidth)
        run_block<1>(args, query, count, ws);
      else
        run_block<NV>(args, query, count, ws);
    }
  }
};

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
