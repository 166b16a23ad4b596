// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The register tile of gemm_impl.h: tile[MR, NP * NV * width] = start + A[MR, k] x B, B being NP
// panels of NV vectors.

#include <cstdint>

#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// g++ 12 keeps an accumulator array in registers only when every loop over it is unrolled early.
#define PENSTOCK_UNROLL _Pragma("GCC unroll 16")

struct MicroArgs {
  int64_t k;
  const float* a;  // row stride lda; depth stride lda when transposed
  int64_t lda;
  const float* b;  // ldb floats from one depth step to the next
  int64_t ldb;
  int64_t panel_stride;  // floats from one panel to the next, for NP > 1
  const float* start;    // what each row of sums starts from, NP * NV * width floats
  float* tile;           // ld_tile floats from row to row
  int64_t ld_tile;
};

// How far ahead of its use a line of B is asked for: the hardware prefetchers stop at page ends.
constexpr int64_t kPrefetchFloats = 256;

// Independent chains of FMAs needed to cover a latency of 4 cycles at two a cycle.
constexpr int kMinChains = 8;

constexpr int depth_unroll(int chains) {
  return chains >= kMinChains ? 1 : (kMinChains + chains - 1) / chains;
}

template <typename V, int MR, int NV, int NP, bool kTransA>
PENSTOCK_SIMD_INLINE void micro_step(const MicroArgs& args, const float* const (&rows)[MR],
                                     int64_t p, V (&acc)[MR][NP * NV]) {
  const float* b = args.b + p * args.ldb;
  V columns[NP * NV];
  PENSTOCK_UNROLL for (int j = 0; j < NP * NV; ++j) {
    columns[j] = V::load(b + j / NV * args.panel_stride + j % NV * V::kWidth);
  }
  if constexpr (NP == 1) __builtin_prefetch(b + kPrefetchFloats);
  PENSTOCK_UNROLL for (int i = 0; i < MR; ++i) {
    const V x = V::broadcast(kTransA ? args.a[p * args.lda + i] : rows[i][p]);
    PENSTOCK_UNROLL for (int j = 0; j < NP * NV; ++j) acc[i][j] = fma(x, columns[j], acc[i][j]);
  }
}

template <typename V, int MR, int NV, int NP, bool kTransA>
[[gnu::noinline]] void micro_kernel(const MicroArgs& args) {
  constexpr int kVectors = NP * NV;
  constexpr int kUnroll = depth_unroll(MR * kVectors);
  const MicroArgs local = args;  // the stores below cannot change it, which g++ must be told
  V acc[kUnroll][MR][kVectors];
  PENSTOCK_UNROLL for (int j = 0; j < kVectors; ++j) {
    const V start = V::load(local.start + j * V::kWidth);
    PENSTOCK_UNROLL for (int u = 0; u < kUnroll; ++u) {
      PENSTOCK_UNROLL for (int i = 0; i < MR; ++i) acc[u][i][j] = u == 0 ? start : V::zero();
    }
  }
  const float* rows[MR];
  PENSTOCK_UNROLL for (int i = 0; i < MR; ++i) rows[i] = local.a + (kTransA ? 0 : i * local.lda);
  int64_t p = 0;
  for (; p + kUnroll <= local.k; p += kUnroll) {
    PENSTOCK_UNROLL for (int u = 0; u < kUnroll; ++u) {
      micro_step<V, MR, NV, NP, kTransA>(local, rows, p + u, acc[u]);
    }
  }
  for (; p < local.k; ++p) micro_step<V, MR, NV, NP, kTransA>(local, rows, p, acc[0]);
  PENSTOCK_UNROLL for (int i = 0; i < MR; ++i) {
    PENSTOCK_UNROLL for (int j = 0; j < kVectors; ++j) {
      V sum = acc[0][i][j];
      PENSTOCK_UNROLL for (int u = 1; u < kUnroll; ++u) sum = sum + acc[u][i][j];
      sum.store(local.tile + i * local.ld_tile + j * V::kWidth);
    }
  }
}

using MicroFn = void (*)(const MicroArgs&);

// The kernel for `rows` rows of at most MR.
template <typename V, int MR, int NV, int NP = 1>
MicroFn pick_micro(int64_t rows, bool trans_a) {
  if constexpr (MR > 1) {
    if (rows < MR) return pick_micro<V, MR - 1, NV, NP>(rows, trans_a);
  }
  return trans_a ? &micro_kernel<V, MR, NV, NP, true> : &micro_kernel<V, MR, NV, NP, false>;
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
