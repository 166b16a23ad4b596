// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include <algorithm>

#include "backends/cpu/simd/gemm.h"
#include "backends/cpu/simd/gemm_panel.h"

namespace penstock::simd {
namespace {

// Rows of A that share one pass over a panel of B: enough that B's way from L3 hides behind the
// arithmetic, few enough that A's rows stay in L2 (for deep products neither holds, and B is the
// larger traffic).
constexpr int64_t kRowTile = 96;
constexpr int64_t kDeepRowTile = 192;
constexpr int64_t kDeep = 1536;
constexpr int64_t kColTile = 512;
constexpr int64_t kTilesPerThread = 2;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

}  // namespace

const GemmKernel& gemm_kernel(Isa isa) {
  switch (isa) {
    case Isa::kAvx512: return kGemmAvx512;
    case Isa::kAvx2: return kGemmAvx2;
    case Isa::kBaseline: break;
  }
  return kGemmBaseline;
}

GemmGrid gemm_grid(const GemmKernel& kernel, const GemmArgs& args, int threads) {
  GemmGrid grid;
  if (args.m <= 0 || args.n <= 0 || args.batch <= 0) return grid;
  grid.batch = args.batch;
  // Tiles of equal height, each a whole number of register blocks.
  const int64_t wanted = args.k > kDeep ? kDeepRowTile : kRowTile;
  grid.row_tile = round_up(ceil_div(args.m, ceil_div(args.m, wanted)), kernel.mr);
  grid.row_tiles = ceil_div(args.m, grid.row_tile);
  const int64_t panels = ceil_div(args.n, kernel.nr);
  const int64_t tiles_wanted = threads > 1 ? threads * kTilesPerThread : 1;
  const int64_t col_tiles =
      std::max(ceil_div(args.n, kColTile), ceil_div(tiles_wanted, grid.batch * grid.row_tiles));
  grid.col_tile = ceil_div(panels, std::min(col_tiles, panels)) * kernel.nr;
  grid.col_tiles = ceil_div(args.n, grid.col_tile);
  return grid;
}

size_t gemm_workspace_floats(const GemmKernel& kernel, const GemmArgs& args) {
  return args.packed_b != nullptr ? 0 : static_cast<size_t>(args.k * kernel.nr);
}

size_t gemm_packed_b_floats(int64_t k, int64_t n, int nr) {
  return static_cast<size_t>(round_up(n, nr) * k);
}

void gemm_pack_b(const float* b, int64_t ldb, bool trans_b, int64_t k, int64_t n, int nr,
                 float* packed) {
  if (k == 0) return;  // b may be null: it has no elements to step along
  for (int64_t col = 0; col < n; col += nr) {
    const int64_t cols = std::min<int64_t>(nr, n - col);
    float* panel = packed + col * k;
    if (trans_b) {
      transpose_panel(b + col * ldb, ldb, cols, k, nr, panel);
    } else {
      copy_panel<F32x1>(b + col, ldb, cols, k, nr, panel);
    }
  }
}

}  // namespace penstock::simd
