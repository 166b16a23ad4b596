// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The LSTM recurrence, one instantiation in each lstm_<isa>.cc: a product for the gates of all rows
// of the call, then the cell row by row.

#include "backends/cpu/simd/gemm_epilogue.h"
#include "backends/cpu/simd/lstm.h"
#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

template <typename V>
struct Lstm {
  struct State {
    int64_t begin;
    int64_t rows;
    float* gates;  // [rows, 4 * hidden]
    float* h;      // [rows, hidden]
    float* c;      // [rows, hidden]
  };

  // f(offset, lanes) for each vector of `count` floats.
  template <typename F>
  PENSTOCK_SIMD_INLINE static void each_vector(int64_t count, F f) {
    for (int64_t i = 0; i < count; i += V::kWidth) f(i, count - i);
  }

  // Null stands for zeros as a source and for nowhere as a destination.
  static void copy(const float* from, int64_t count, float* to) {
    if (to == nullptr) return;
    each_vector(count, [=](int64_t i, int64_t left) {
      store_left(from == nullptr ? V::zero() : load_left<V>(from + i, left), to + i, left);
    });
  }

  // gates = inputs[t] + h R^T
  static void compute_gates(const GemmKernel& gemm, const LstmArgs& args, const State& state,
                            int64_t t) {
    const int64_t columns = 4 * args.hidden;
    // Aggregates throughout: a constructor would be an inline function with this file's flags.
    const GemmStep add_inputs{
        .kind = GemmStepKind::kAddMatrix,
        .data = args.inputs + t * args.inputs_step_stride + state.begin * args.inputs_row_stride,
        .ld = args.inputs_row_stride};
    const GemmArgs product{.m = state.rows,
                           .n = columns,
                           .k = args.hidden,
                           .a = state.h,
                           .lda = args.hidden,
                           .packed_b = args.packed_r,
                           .c = state.gates,
                           .ldc = columns,
                           .steps = {add_inputs},
                           .step_count = 1};
    const GemmGrid grid{.row_tile = state.rows,
                        .col_tile = (columns + gemm.nr - 1) / gemm.nr * gemm.nr,
                        .row_tiles = 1,
                        .col_tiles = 1,
                        .batch = 1};
    gemm.run(product, grid, 0, 1, nullptr);
  }

  static void update_row(int64_t hidden, const float* gates, float* h, float* c) {
    each_vector(hidden, [=](int64_t i, int64_t left) {
      const V in = sigmoid(load_left<V>(gates + i, left));
      const V out = sigmoid(load_left<V>(gates + hidden + i, left));
      const V forget = sigmoid(load_left<V>(gates + 2 * hidden + i, left));
      const V fresh = tanh(load_left<V>(gates + 3 * hidden + i, left));
      const V cell = fma(forget, load_left<V>(c + i, left), in * fresh);
      store_left(cell, c + i, left);
      store_left(out * tanh(cell), h + i, left);
    });
  }

  static void run_step(const GemmKernel& gemm, const LstmArgs& args, const State& state,
                       int64_t t) {
    compute_gates(gemm, args, state, t);
    for (int64_t row = 0; row < state.rows; ++row) {
      float* h = state.h + row * args.hidden;
      const bool active = args.lengths == nullptr || t < args.lengths[state.begin + row];
      if (active) {
        update_row(args.hidden, state.gates + row * 4 * args.hidden, h,
                   state.c + row * args.hidden);
      }
      if (args.y == nullptr) continue;
      copy(active ? h : nullptr, args.hidden,
           args.y + t * args.y_step_stride + (state.begin + row) * args.y_row_stride);
    }
  }

  static void run(const GemmKernel& gemm, const LstmArgs& args, int64_t begin, int64_t end,
                  float* workspace) {
    const int64_t size = (end - begin) * args.hidden;
    if (size <= 0) return;
    const State state{begin, end - begin, workspace, workspace + 4 * size, workspace + 5 * size};
    const int64_t offset = begin * args.hidden;
    copy(at(args.initial_h, offset), size, state.h);
    copy(at(args.initial_c, offset), size, state.c);
    for (int64_t s = 0; s < args.steps; ++s) {
      run_step(gemm, args, state, args.reverse ? args.steps - 1 - s : s);
    }
    copy(state.h, size, at(args.final_h, offset));
    copy(state.c, size, at(args.final_c, offset));
  }

  template <typename T>
  static T* at(T* p, int64_t offset) {
    return p == nullptr ? nullptr : p + offset;
  }
};

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
