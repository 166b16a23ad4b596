// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// FP32 matrix multiplication: C = epilogue(alpha * A x B [+ C]), row-major, one instruction set per
// GemmKernel. The kernels start no threads: a call computes a range of tiles of a grid, so that a
// caller splits [0, grid.tiles()) over its team.
//
//   GemmArgs args{.m = m, .n = n, .k = k, .a = a, .lda = k, .packed_b = w, .c = c, .ldc = n};
//   const GemmKernel& kernel = gemm_kernel(isa);
//   const GemmGrid grid = gemm_grid(kernel, args, threads);
//   kernel.run(args, grid, begin, end, workspace);   // gemm_workspace_floats(kernel, args) floats

#include <cstddef>
#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

enum class GemmStepKind : uint8_t {
  kBiasPerColumn,  // data[n]
  kBiasPerRow,     // data[m]
  kAddMatrix,      // data[m, n], leading dimension ld; may be C itself, else must not overlap C
  kRelu,
  kGeluErf,
  kGeluTanh,
  kSilu,
  kSigmoid,
  kTanh,
  kClip,       // to [lo, hi]
  kHardSwish,  // x * clip(x / 6 + 1/2, 0, 1)
};

// One operation on the product while it is in the cache. NaN passes through every step.
struct GemmStep {
  GemmStepKind kind;
  const float* data = nullptr;
  int64_t ld = 0;            // kAddMatrix only
  int64_t batch_stride = 0;  // floats from one batch item's data to the next
  float lo = 0.0f;
  float hi = 0.0f;
};

inline constexpr int kMaxGemmSteps = 6;

struct GemmArgs {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* a = nullptr;  // [m, k], or [k, m] when trans_a
  int64_t lda = 0;
  bool trans_a = false;
  const float* packed_b = nullptr;  // what gemm_pack_b wrote for this kernel's nr; wins over b
  const float* b = nullptr;         // [k, n], or [n, k] when trans_b
  int64_t ldb = 0;
  bool trans_b = false;
  float* c = nullptr;  // [m, n]; does not overlap A, B or a bias
  int64_t ldc = 0;
  float alpha = 1.0f;
  bool accumulate = false;  // adds the old C before the steps
  GemmStep steps[kMaxGemmSteps] = {};
  int step_count = 0;
  int64_t batch = 1;  // independent products; the strides are floats between items, 0 shares
  int64_t a_batch_stride = 0;
  int64_t b_batch_stride = 0;
  int64_t c_batch_stride = 0;
};

// The tiles of all batch items, columns fastest: neighbours share rows of A.
struct GemmGrid {
  int64_t row_tile = 1;  // rows of C in one tile
  int64_t col_tile = 1;  // columns, a multiple of nr
  int64_t row_tiles = 0;
  int64_t col_tiles = 0;
  int64_t batch = 0;
  int64_t tiles() const { return batch * row_tiles * col_tiles; }
};

struct GemmKernel {
  const char* name;           // dtype, tile and instruction set
  const char* packed_layout;  // gemm_packed_b_f32_nr<nr>
  int mr;                     // rows and columns held in registers
  int nr;
  // Computes tiles [begin, end); workspace is private to the call.
  void (*run)(const GemmArgs& args, const GemmGrid& grid, int64_t begin, int64_t end,
              float* workspace);
};

extern const GemmKernel kGemmBaseline;
extern const GemmKernel kGemmAvx2;
extern const GemmKernel kGemmAvx512;

// The kernel of an instruction set; calling it is safe where that set is present.
const GemmKernel& gemm_kernel(Isa isa);

// A grid with at least about two tiles for each thread where the size allows.
GemmGrid gemm_grid(const GemmKernel& kernel, const GemmArgs& args, int threads);

// Floats of workspace that one run() call needs; 0 with a packed B.
size_t gemm_workspace_floats(const GemmKernel& kernel, const GemmArgs& args);

// Layout gemm_packed_b_f32_nr<nr>, a pure function of (k, n, nr): ceil(n / nr) panels one after
// the other; a panel holds its k rows of nr consecutive columns, zeros past column n.
//   packed[(j / nr) * k * nr + p * nr + j % nr] = B[p, j]
size_t gemm_packed_b_floats(int64_t k, int64_t n, int nr);
void gemm_pack_b(const float* b, int64_t ldb, bool trans_b, int64_t k, int64_t n, int nr,
                 float* packed);

}  // namespace penstock::simd
