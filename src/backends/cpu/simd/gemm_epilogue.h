// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// From a tile of raw sums to C: scaling, old C and the steps, one pass over the L1-resident tile
// for each; the last pass writes C.

#include <cstdint>

#include "backends/cpu/simd/gemm.h"
#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

struct EpilogueContext {
  int64_t batch;
  float* c;
  int first_step;      // steps before it are part of the sums already
  const float* start;  // a column bias that the sums start from, or null
  bool plain;          // C is the raw sums
};

inline EpilogueContext epilogue_context(const GemmArgs& args, int64_t batch) {
  const bool unscaled = args.alpha == 1.0f && !args.accumulate;
  const GemmStep& step = args.steps[0];
  const bool biased = unscaled && args.step_count > 0 && step.kind == GemmStepKind::kBiasPerColumn;
  const int first_step = biased ? 1 : 0;
  return {batch, args.c + batch * args.c_batch_stride, first_step,
          biased ? step.data + batch * step.batch_stride : nullptr,
          unscaled && args.step_count == first_step};
}

// Where a tile lies in C.
struct TileRange {
  int64_t row;
  int64_t col;
  int64_t rows;
  int64_t cols;
};

// Of the `left` floats at p, the first vector; lanes past the end are zero and not read.
template <typename V>
PENSTOCK_SIMD_INLINE V load_left(const float* p, int64_t left) {
  if (left >= V::kWidth) return V::load(p);
  return V::load_partial(p, left > 0 ? left : 0);
}
template <typename V>
PENSTOCK_SIMD_INLINE void store_left(V v, float* p, int64_t left) {
  if (left >= V::kWidth) return v.store(p);
  if (left > 0) v.store_partial(p, left);
}

template <typename V, int kNr>
class TileFinisher {
 public:
  TileFinisher(const GemmArgs& args, const EpilogueContext& context, float* tile,
               const TileRange& range)
      : args_(args), context_(context), tile_(tile), range_(range) {}

  void finish() {
    passes_left_ =
        (args_.alpha != 1.0f) + args_.accumulate + args_.step_count - context_.first_step;
    if (passes_left_ == 0) {
      passes_left_ = 1;
      pass([](V x, int64_t, int64_t) { return x; });
    }
    if (args_.alpha != 1.0f) {
      const V alpha = V::broadcast(args_.alpha);
      pass([=](V x, int64_t, int64_t) { return x * alpha; });
    }
    if (args_.accumulate) add_matrix(context_.c, args_.ldc);
    for (int s = context_.first_step; s < args_.step_count; ++s) step(args_.steps[s]);
  }

 private:
  // x = f(x, row in the tile, column in the tile); the last pass goes to C.
  template <typename F>
  PENSTOCK_SIMD_INLINE void pass(F f) {
    const bool last = --passes_left_ == 0;
    float* to = last ? context_.c + range_.row * args_.ldc + range_.col : tile_;
    const int64_t ld = last ? args_.ldc : kNr;
    if (last && range_.cols < kNr) {
      for (int64_t i = 0; i < range_.rows; ++i) {
        for (int64_t j = 0; j < range_.cols; j += V::kWidth) {
          store_left(f(V::load(tile_ + i * kNr + j), i, j), to + i * ld + j, range_.cols - j);
        }
      }
      return;
    }
    for (int64_t i = 0; i < range_.rows; ++i) {
      for (int64_t j = 0; j < kNr; j += V::kWidth) {
        f(V::load(tile_ + i * kNr + j), i, j).store(to + i * ld + j);
      }
    }
  }

  void add_matrix(const float* d, int64_t ld) {
    d += range_.row * ld + range_.col;
    const int64_t cols = range_.cols;
    if (cols == kNr) {
      pass([=](V x, int64_t i, int64_t j) { return x + V::load(d + i * ld + j); });
    } else {
      pass([=](V x, int64_t i, int64_t j) { return x + load_left<V>(d + i * ld + j, cols - j); });
    }
  }

  void add_column_bias(const float* bias) {
    const int64_t cols = range_.cols;
    alignas(64) float local[kNr];  // padded, so that the pass needs no edge
    for (int64_t j = 0; j < kNr; j += V::kWidth) load_left<V>(bias + j, cols - j).store(local + j);
    pass([&](V x, int64_t, int64_t j) { return x + V::load(local + j); });
  }

  void step(const GemmStep& s) {
    const float* data = s.data + context_.batch * s.batch_stride;
    const V lo = V::broadcast(s.lo);
    const V hi = V::broadcast(s.hi);
    switch (s.kind) {
      case GemmStepKind::kBiasPerColumn: return add_column_bias(data + range_.col);
      case GemmStepKind::kBiasPerRow:
        data += range_.row;
        return pass([=](V x, int64_t i, int64_t) { return x + V::broadcast(data[i]); });
      case GemmStepKind::kAddMatrix: return add_matrix(data, s.ld);
      case GemmStepKind::kRelu: return each([](V x) { return max(V::zero(), x); });
      case GemmStepKind::kGeluErf: return each([](V x) { return gelu(x); });
      case GemmStepKind::kGeluTanh: return each([](V x) { return gelu_tanh(x); });
      case GemmStepKind::kSilu: return each([](V x) { return silu(x); });
      case GemmStepKind::kSigmoid: return each([](V x) { return sigmoid(x); });
      case GemmStepKind::kTanh: return each([](V x) { return tanh(x); });
      case GemmStepKind::kClip: return each([=](V x) { return min(hi, max(lo, x)); });
      case GemmStepKind::kHardSwish:
        return each([](V x) { return hard_swish(x, 1.0f / 6.0f, 0.5f); });
    }
  }

  template <typename F>
  PENSTOCK_SIMD_INLINE void each(F f) {
    pass([=](V x, int64_t, int64_t) { return f(x); });
  }

  const GemmArgs& args_;
  const EpilogueContext& context_;
  float* tile_;
  const TileRange& range_;
  int passes_left_ = 0;
};

template <typename V, int kNr>
[[gnu::noinline]] void finish_tile(const GemmArgs& args, const EpilogueContext& context,
                                   float* tile, const TileRange& range) {
  TileFinisher<V, kNr>(args, context, tile, range).finish();
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
