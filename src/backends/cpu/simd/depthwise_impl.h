// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Two ways through an image, by the width of the kernel.
//
// Wide kernels take a chunk of channels at a time, row by row. Input rows are staged in a ring of
// kernel_h rows of [column][chunk], with the padding in place: so the inner loop knows no edges,
// reads contiguous memory whatever the number of channels, and each input element is fetched once
// for all the result's rows that need it.
//
// A kernel of three columns does too little with an element to pay for its copy. It takes a few
// columns of a row at a time, all channels of a group: it reads the input where it lies, in runs
// of neighbouring channels that the processor prefetches, and steps over columns outside.

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backends/cpu/simd/depthwise_block.h"
#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// What kDepthwiseColumns outputs read: input rows and their weights.
struct DepthwiseWindow {
  const float* rows[kMaxDepthwiseKernelHeight];  // at the window's column 0
  const float* weights[kMaxDepthwiseKernelHeight];
  int row_count;
  int64_t column;  // floats from one input column to the next
  int64_t first;   // columns [first, last) of the window exist
  int64_t last;
};

// V accumulates; M, of the same or a narrower width, does the steps.
template <typename V, typename M>
class Depthwise {
 public:
  static void run(const DepthwiseArgs& args, int64_t begin, int64_t end, float* workspace) {
    if (args.stride_w == 1) return by_kernel<1>(args, begin, end, workspace);
    by_kernel<2>(args, begin, end, workspace);
  }

 private:
  static constexpr int64_t kT = kDepthwiseColumns;
  static constexpr int64_t kChunk = kDepthwiseChunk;
  static constexpr bool kClamps = std::is_same_v<V, M>;  // V has min and max

  template <int kStride>
  static void by_kernel(const DepthwiseArgs& args, int64_t begin, int64_t end, float* workspace) {
    switch (args.kernel_w) {
      case 3: return Depthwise(args, workspace).direct_items<3, kStride>(begin, end);
      case 5: return Depthwise(args, workspace).staged_items<5, kStride>(begin, end);
      default: return Depthwise(args, workspace).staged_items<7, kStride>(begin, end);
    }
  }

  Depthwise(const DepthwiseArgs& args, float* workspace)
      : args_(args), ring_(workspace), columns_(depthwise_row_columns(args)) {
    if (!kClamps || args.step_count == 0) return;
    const DepthwiseStep& step = args.steps[0];
    if (step.kind != DepthwiseStepKind::kRelu && step.kind != DepthwiseStepKind::kClip) return;
    const bool is_relu = step.kind == DepthwiseStepKind::kRelu;
    first_step_ = 1;
    lo_ = is_relu ? 0.0f : step.a;
    hi_ = is_relu ? __builtin_inff() : step.b;
  }

  // Turns to a chunk of channels.
  void enter_chunk(int64_t chunk) {
    channel_ = chunk * kChunk;
    live_ = std::min(kChunk, args_.channels - channel_);
    w_ = args_.packed_w + chunk * args_.kernel_h * args_.kernel_w * kChunk;
    if (args_.bias != nullptr && live_ == kChunk) {
      bias_ = args_.bias + channel_;
      return;
    }
    bias_ = local_bias_;
    if (args_.bias != nullptr) std::copy_n(args_.bias + channel_, live_, local_bias_);
  }

  // The rows of the window of result row oh; `row` gives the address of an input row.
  template <int kKernel, typename Row>
  DepthwiseWindow make_window(int64_t oh, int64_t column, Row&& row) const {
    const int64_t top = oh * args_.stride_h - args_.pad_top;
    DepthwiseWindow window;
    window.row_count = 0;
    window.column = column;
    const int64_t end = std::min(args_.in_h, top + args_.kernel_h);
    for (int64_t ih = std::max<int64_t>(0, top); ih < end; ++ih) {
      window.rows[window.row_count] = row(ih);
      window.weights[window.row_count++] = w_ + (ih - top) * kKernel * kChunk;
    }
    return window;
  }

  // First output of group `block`: a last, shorter group starts earlier and computes some again.
  int64_t block_start(int64_t block) const {
    return std::min(block * kT, std::max<int64_t>(0, args_.out_w - kT));
  }

  int64_t y_offset(int64_t image, int64_t oh, int64_t ow) const {
    return ((image * args_.out_h + oh) * args_.out_w + ow) * args_.channels + channel_;
  }

  template <int kKernel, int kStride>
  void direct_items(int64_t begin, int64_t end) {
    const DirectGrid grid(args_);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t group = item % grid.groups;
      const int64_t start = block_start(item / grid.groups % grid.blocks);
      const int64_t oh = item / grid.groups / grid.blocks % args_.out_h;
      const int64_t image = item / grid.groups / grid.blocks / args_.out_h;
      const int64_t end_chunk =
          std::min(depthwise_chunks(args_.channels), (group + 1) * kDepthwiseGroup);
      for (int64_t chunk = group * kDepthwiseGroup; chunk < end_chunk; ++chunk) {
        enter_chunk(chunk);
        direct_block<kKernel, kStride>(image, oh, start);
      }
    }
  }

  template <int kKernel, int kStride>
  void direct_block(int64_t image, int64_t oh, int64_t start) {
    constexpr int64_t kColumns = (kT - 1) * kStride + kKernel;
    const int64_t left = start * kStride - args_.pad_left;
    const float* x = args_.x + image * args_.in_h * args_.in_w * args_.channels + channel_;
    DepthwiseWindow window = make_window<kKernel>(oh, args_.channels, [&](int64_t ih) {
      return x + (ih * args_.in_w + left) * args_.channels;
    });
    window.first = std::max<int64_t>(0, -left);
    window.last = std::min(kColumns, args_.in_w - left);
    if (live_ % V::kWidth != 0) stage_window(window);
    const int64_t offset = y_offset(image, oh, start);
    if (window.first == 0 && window.last == kColumns) {
      columns<kKernel, kStride, false>(window, offset);
    } else {
      columns<kKernel, kStride, true>(window, offset);
    }
  }

  // Copies what the window reads, so that whole vectors of a last chunk may be read.
  void stage_window(DepthwiseWindow& window) const {
    float* to = ring_;
    for (int r = 0; r < window.row_count; ++r) {
      const float* from = window.rows[r];
      window.rows[r] = to - window.first * kChunk;
      for (int64_t i = window.first; i < window.last; ++i, to += kChunk) {
        copy_live(from + i * window.column, to);
      }
    }
    window.column = kChunk;
  }

  template <int kKernel, int kStride>
  void staged_items(int64_t begin, int64_t end) {
    const int64_t chunks = depthwise_chunks(args_.channels);
    int64_t next_row = 0;  // the first input row that is not in the ring yet
    for (int64_t item = begin; item < end; ++item) {
      const int64_t oh = item % args_.out_h;
      const int64_t image = item / args_.out_h / chunks;
      if (item == begin || oh == 0) {
        enter_chunk(item / args_.out_h % chunks);
        next_row = 0;
      }
      const int64_t top = oh * args_.stride_h - args_.pad_top;
      next_row = std::max({next_row, top, int64_t{0}});
      for (; next_row < std::min(args_.in_h, top + args_.kernel_h); ++next_row) {
        stage_row(image, next_row);
      }
      DepthwiseWindow window =
          make_window<kKernel>(oh, kChunk, [&](int64_t ih) { return ring_row(ih); });
      for (int64_t block = 0; block * kT < args_.out_w; ++block) {
        const int64_t start = block_start(block);
        DepthwiseWindow part = window;
        for (int r = 0; r < part.row_count; ++r) part.rows[r] += start * kStride * kChunk;
        columns<kKernel, kStride, false>(part, y_offset(image, oh, start));
      }
    }
  }

  float* ring_row(int64_t ih) const { return ring_ + ih % args_.kernel_h * columns_ * kChunk; }

  // Copies an input row into the ring, zeros around it.
  void stage_row(int64_t image, int64_t ih) {
    float* to = ring_row(ih);
    const int64_t left = std::min(args_.pad_left, columns_);
    const int64_t copied = std::min(args_.in_w, columns_ - left);
    std::fill_n(to, left * kChunk, 0.0f);
    std::fill_n(to + (left + copied) * kChunk, (columns_ - left - copied) * kChunk, 0.0f);
    to += left * kChunk;
    const float* from =
        args_.x + (image * args_.in_h + ih) * args_.in_w * args_.channels + channel_;
    for (int64_t i = 0; i < copied; ++i) copy_live(from + i * args_.channels, to + i * kChunk);
  }

  // One column of a chunk, zeros past the last channel.
  PENSTOCK_SIMD_INLINE void copy_live(const float* from, float* to) const {
    if (live_ == kChunk) {
      for (int64_t v = 0; v < kChunk; v += V::kWidth) V::load(from + v).store(to + v);
    } else {
      for (int64_t c = 0; c < kChunk; ++c) to[c] = c < live_ ? from[c] : 0.0f;
    }
  }

  // The outputs from element `offset` of the result on.
  template <int kKernel, int kStride, bool kHasEdge>
  void columns(const DepthwiseWindow& window, int64_t offset) {
    const int64_t count = std::min(kT, args_.out_w);
    if (live_ % V::kWidth == 0 && count == kT) {
      sums<kKernel, kStride, kHasEdge>(window, args_.y + offset, args_.channels);
    } else {
      alignas(64) float tile[kT * kChunk];
      sums<kKernel, kStride, kHasEdge>(window, tile, kChunk);
      for (int64_t t = 0; t < count; ++t) {
        std::memcpy(args_.y + offset + t * args_.channels, tile + t * kChunk,
                    static_cast<size_t>(live_) * sizeof(float));
      }
    }
    if (first_step_ < args_.step_count) finish(offset, count);
  }

  template <int kKernel, int kStride, bool kHasEdge>
  void sums(const DepthwiseWindow& window, float* y, int64_t y_column) const {
    for (int64_t v = 0; v < live_; v += V::kWidth) {
      V acc[kT];
#pragma GCC unroll 16
      for (int64_t t = 0; t < kT; ++t) acc[t] = V::load(bias_ + v);
      for (int r = 0; r < window.row_count; ++r) {
        accumulate<kKernel, kStride, kHasEdge>(acc, window, window.rows[r] + v,
                                               window.weights[r] + v);
      }
      clamp(acc);
#pragma GCC unroll 16
      for (int64_t t = 0; t < kT; ++t) acc[t].store(y + t * y_column + v);
    }
  }

  // The first step, where it is relu or a clip and V can.
  PENSTOCK_SIMD_INLINE void clamp(V (&acc)[kT]) const {
    if constexpr (kClamps) {
      if (first_step_ == 0) return;
#pragma GCC unroll 16
      for (int64_t t = 0; t < kT; ++t) {
        acc[t] = min(V::broadcast(hi_), max(V::broadcast(lo_), acc[t]));
      }
    }
  }

  // One row of the window: each input is loaded once and goes to every output it reaches.
  template <int kKernel, int kStride, bool kHasEdge>
  PENSTOCK_SIMD_INLINE static void accumulate(V (&acc)[kT], const DepthwiseWindow& window,
                                              const float* x, const float* w) {
    V weights[kKernel];
#pragma GCC unroll 16
    for (int k = 0; k < kKernel; ++k) weights[k] = V::load(w + k * kChunk);
#pragma GCC unroll 32
    for (int j = 0; j < (kT - 1) * kStride + kKernel; ++j) {
      if (kHasEdge && (j < window.first || j >= window.last)) continue;
      const V input = V::load(x + j * window.column);
#pragma GCC unroll 16
      for (int t = 0; t < kT; ++t) {
        const int k = j - t * kStride;
        if (k >= 0 && k < kKernel) acc[t] = fma(input, weights[k], acc[t]);
      }
    }
  }

  [[gnu::noinline]] void finish(int64_t offset, int64_t count) const {
    for (int s = first_step_; s < args_.step_count; ++s) step(args_.steps[s], offset, count);
  }

  // f(value, element of the result) on every live element.
  template <typename F>
  PENSTOCK_SIMD_INLINE void each(int64_t offset, int64_t count, F f) const {
    for (int64_t t = 0; t < count; ++t) {
      const int64_t at = offset + t * args_.channels;
      int64_t c = 0;
      for (; c + M::kWidth <= live_; c += M::kWidth) {
        f(M::load(args_.y + at + c), at + c, M::kWidth).store(args_.y + at + c);
      }
      if (c == live_) continue;
      const int left = static_cast<int>(live_ - c);
      f(M::load_partial(args_.y + at + c, left), at + c, left)
          .store_partial(args_.y + at + c, left);
    }
  }

  template <typename F>
  PENSTOCK_SIMD_INLINE void activate(int64_t offset, int64_t count, F f) const {
    each(offset, count, [&](M x, int64_t, int) { return f(x); });
  }

  PENSTOCK_SIMD_INLINE static M operand(const DepthwiseStep& s, int64_t at, int n) {
    return n == M::kWidth ? M::load(s.data + at) : M::load_partial(s.data + at, n);
  }

  void step(const DepthwiseStep& s, int64_t offset, int64_t count) const {
    const M a = M::broadcast(s.a);
    const M b = M::broadcast(s.b);
    switch (s.kind) {
      case DepthwiseStepKind::kAdd:
        return each(offset, count, [&](M x, int64_t at, int n) { return x + operand(s, at, n); });
      case DepthwiseStepKind::kMul:
        return each(offset, count, [&](M x, int64_t at, int n) { return x * operand(s, at, n); });
      case DepthwiseStepKind::kRelu:
        return activate(offset, count, [](M x) { return max(M::zero(), x); });
      case DepthwiseStepKind::kLeakyRelu:
        return activate(offset, count, [=](M x) { return select(cmp_lt(x, M::zero()), a * x, x); });
      case DepthwiseStepKind::kClip:
        return activate(offset, count, [=](M x) { return min(b, max(a, x)); });
      case DepthwiseStepKind::kSigmoid:
        return activate(offset, count, [](M x) { return sigmoid(x); });
      case DepthwiseStepKind::kTanh: return activate(offset, count, [](M x) { return tanh(x); });
      case DepthwiseStepKind::kGelu: return activate(offset, count, [](M x) { return gelu(x); });
      case DepthwiseStepKind::kGeluTanh:
        return activate(offset, count, [](M x) { return gelu_tanh(x); });
      case DepthwiseStepKind::kSilu: return activate(offset, count, [](M x) { return silu(x); });
      case DepthwiseStepKind::kHardSwish:
        return activate(offset, count, [](M x) { return hard_swish(x, 1.0f / 6.0f, 0.5f); });
      case DepthwiseStepKind::kHardSigmoid:
        return activate(offset, count, [&](M x) { return hard_sigmoid(x, s.a, s.b); });
      case DepthwiseStepKind::kElu:
        return activate(offset, count, [&](M x) { return elu(x, s.a); });
    }
  }

  const DepthwiseArgs& args_;
  float* ring_;
  int64_t columns_;
  int64_t channel_ = 0;
  int64_t live_ = 0;  // channels of this chunk that exist
  const float* w_ = nullptr;
  int first_step_ = 0;  // steps before it are part of the sums
  float lo_ = 0.0f;
  float hi_ = 0.0f;
  const float* bias_ = nullptr;  // kChunk floats
  alignas(64) float local_bias_[kDepthwiseChunk] = {};
};

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
