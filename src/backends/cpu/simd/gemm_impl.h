// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The GEMM driver, one instantiation in each gemm_<isa>.cc. Loops, outermost first: row tile (A
// stays in L2), panel of nr columns (B stays in L1 or L2), block of mr rows. The depth is not
// blocked and A is not packed: on the shapes of transformers both measured no faster.

#include "backends/cpu/simd/gemm.h"
#include "backends/cpu/simd/gemm_epilogue.h"
#include "backends/cpu/simd/gemm_micro.h"
#include "backends/cpu/simd/gemm_panel.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// Row blocks from which copying a panel of a plain B pays: the copy costs about one block.
constexpr int64_t kCopyPanelBlocks = 4;

// V multiplies, EpilogueV finishes. MR rows x NV vectors fill the registers. Products of at most
// kThinRows rows live on the bandwidth of B, and several panels read side by side give the
// hardware prefetchers several streams: 1.5 times the bytes a second of one.
template <typename V, typename EpilogueV, int MR, int NV, int kThinRows>
struct Gemm {
  static constexpr int kNr = NV * V::kWidth;

  struct Span {
    int64_t begin;
    int64_t end;
  };
  struct Panel {
    const float* b;
    int64_t ldb;
  };

  static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

  // A panel the micro-kernel can read: whole rows of kNr floats.
  static Panel find_panel(const GemmArgs& args, int64_t batch, int64_t col, int64_t rows,
                          float* workspace) {
    if (args.packed_b != nullptr) {
      return {args.packed_b + batch * args.b_batch_stride + col * args.k, kNr};
    }
    const float* b = args.b + batch * args.b_batch_stride;
    const int64_t cols = lesser(args.n - col, kNr);
    if (args.trans_b) {
      transpose_panel(b + col * args.ldb, args.ldb, cols, args.k, kNr, workspace);
    } else if (cols < kNr || rows > kCopyPanelBlocks * MR) {
      copy_panel<EpilogueV>(b + col, args.ldb, cols, args.k, kNr, workspace);
    } else {
      return {b + col, args.ldb};
    }
    return {workspace, kNr};
  }

  // NP panels from column `col` on, times the rows.
  template <int kMaxRows, int NP>
  static void run_panels(const GemmArgs& args, const EpilogueContext& context, const Panel& panel,
                         Span rows, int64_t col) {
    constexpr int kCols = NP * kNr;
    const float* a = args.a + context.batch * args.a_batch_stride;
    const int64_t cols = lesser(args.n - col, kCols);
    alignas(64) float tile[kMaxRows * kCols];
    alignas(64) float start[kCols];
    for (int64_t j = 0; j < kCols; j += EpilogueV::kWidth) {
      if (context.start == nullptr)
        EpilogueV::zero().store(start + j);
      else
        load_left<EpilogueV>(context.start + col + j, cols - j).store(start + j);
    }
    const bool direct = context.plain && cols == kCols;
    // Even blocks: 8 rows as 4 + 4, not as 6 + 2, keeps enough FMAs in flight.
    int64_t left = rows.end - rows.begin;
    int64_t row = rows.begin;
    for (int64_t blocks = (left + kMaxRows - 1) / kMaxRows; blocks > 0; --blocks) {
      const int64_t count = (left + blocks - 1) / blocks;
      const MicroArgs micro{.k = args.k,
                            .a = args.trans_a ? a + row : a + row * args.lda,
                            .lda = args.lda,
                            .b = panel.b,
                            .ldb = panel.ldb,
                            .panel_stride = args.k * kNr,
                            .start = start,
                            .tile = direct ? context.c + row * args.ldc + col : tile,
                            .ld_tile = direct ? args.ldc : kCols};
      pick_micro<V, kMaxRows, NV, NP>(count, args.trans_a)(micro);
      if (!direct) finish_tile<EpilogueV, kCols>(args, context, tile, {row, col, count, cols});
      row += count;
      left -= count;
    }
  }

  // Streams packed panels past kRows rows, as many side by side as the registers hold.
  template <int kRows>
  static int64_t run_thin(const GemmArgs& args, const EpilogueContext& context, Span rows,
                          Span cols) {
    constexpr int kMost = MR / kRows;
    constexpr int kStreams = kMost > 4 ? 4 : kMost;
    int64_t col = cols.begin;
    for (; col + (kStreams - 1) * kNr < cols.end; col += kStreams * kNr) {
      const Panel panel = find_panel(args, context.batch, col, kRows, nullptr);
      run_panels<kRows, kStreams>(args, context, panel, rows, col);
    }
    return col;
  }

  template <int kRows>
  static int64_t try_thin(const GemmArgs& args, const EpilogueContext& context, Span rows,
                          Span cols) {
    if constexpr (kRows == 0) {
      return cols.begin;
    } else {
      if (rows.end - rows.begin != kRows) return try_thin<kRows - 1>(args, context, rows, cols);
      return run_thin<kRows>(args, context, rows, cols);
    }
  }

  static void run_tile(const GemmArgs& args, int64_t batch, Span rows, Span cols,
                       float* workspace) {
    const EpilogueContext context = epilogue_context(args, batch);
    int64_t col = cols.begin;
    if (args.packed_b != nullptr) col = try_thin<kThinRows>(args, context, rows, cols);
    for (; col < cols.end; col += kNr) {
      const Panel panel = find_panel(args, batch, col, rows.end - rows.begin, workspace);
      run_panels<MR, 1>(args, context, panel, rows, col);
    }
  }

  // Sums without terms: operands may be null, which nothing may be added to; none is read.
  static GemmArgs without_terms(GemmArgs args) {
    static constexpr float kNothing = 0;
    args.a = args.packed_b = &kNothing;
    args.lda = args.a_batch_stride = args.b_batch_stride = 0;
    return args;
  }

  static void run(const GemmArgs& args, const GemmGrid& grid, int64_t begin, int64_t end,
                  float* workspace) {
    if (args.k == 0) return run_tiles(without_terms(args), grid, begin, end, workspace);
    run_tiles(args, grid, begin, end, workspace);
  }

  static void run_tiles(const GemmArgs& args, const GemmGrid& grid, int64_t begin, int64_t end,
                        float* workspace) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t col = tile % grid.col_tiles * grid.col_tile;
      const int64_t row = tile / grid.col_tiles % grid.row_tiles * grid.row_tile;
      const int64_t batch = tile / (grid.col_tiles * grid.row_tiles);
      run_tile(args, batch, {row, lesser(row + grid.row_tile, args.m)},
               {col, lesser(col + grid.col_tile, args.n)}, workspace);
    }
  }
};

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
