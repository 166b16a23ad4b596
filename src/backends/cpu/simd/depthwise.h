// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// FP32 depthwise convolution of channels-last images: each channel is convolved with a kernel of
// its own. The kernels start no threads: a call computes a range of items, so that a caller splits
// [0, depthwise_items(args)) over its team.

#include <cstddef>
#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

enum class DepthwiseStepKind : uint8_t {
  kAdd,  // data, of the result's shape and order
  kMul,
  kRelu,
  kLeakyRelu,  // slope a
  kClip,       // to [a, b]
  kSigmoid,
  kTanh,
  kGelu,
  kGeluTanh,
  kSilu,
  kHardSwish,
  kHardSigmoid,  // clip(a * x + b, 0, 1)
  kElu,          // scale a
};

// One operation on the result while it is in the cache. NaN passes through every step.
struct DepthwiseStep {
  DepthwiseStepKind kind = DepthwiseStepKind::kRelu;
  const float* data = nullptr;
  float a = 0.0f;
  float b = 0.0f;
};

inline constexpr int kMaxDepthwiseSteps = 4;

struct DepthwiseArgs {
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t in_h = 0, in_w = 0;
  int64_t out_h = 0, out_w = 0;
  int64_t kernel_h = 3;
  int64_t kernel_w = 3;  // 3, 5 or 7
  int64_t stride_h = 1;
  int64_t stride_w = 1;  // 1 or 2
  int64_t pad_top = 0, pad_left = 0;
  const float* x = nullptr;         // [batch, in_h, in_w, channels]
  const float* packed_w = nullptr;  // what depthwise_pack wrote
  const float* bias = nullptr;      // [channels], or null
  float* y = nullptr;               // [batch, out_h, out_w, channels]; overlaps nothing
  DepthwiseStep steps[kMaxDepthwiseSteps] = {};
  int step_count = 0;
};

inline constexpr int kMaxDepthwiseKernelHeight = 16;

// Channels computed together: a cache line.
inline constexpr int64_t kDepthwiseChunk = 16;

struct DepthwiseKernel {
  const char* name;
  // Computes items [begin, end); workspace is private to the call.
  void (*run)(const DepthwiseArgs& args, int64_t begin, int64_t end, float* workspace);
};

extern const DepthwiseKernel kDepthwiseBaseline;
extern const DepthwiseKernel kDepthwiseAvx2;
extern const DepthwiseKernel kDepthwiseAvx512;

const DepthwiseKernel& depthwise_kernel(Isa isa);

// Whether the kernels have code for this kernel width and stride.
bool depthwise_supports(int64_t kernel_w, int64_t stride_w);
// Independent pieces of the result, of about equal work.
int64_t depthwise_items(const DepthwiseArgs& args);
// Floats of workspace that one run() call needs.
size_t depthwise_workspace_floats(const DepthwiseArgs& args);

// Layout depthwise_f32_c16: [ceil(channels / 16)][kernel_h][kernel_w][16], zeros past the last
// channel, from [channels, kernel_h, kernel_w].
size_t depthwise_packed_floats(int64_t channels, int64_t kernel_h, int64_t kernel_w);
void depthwise_pack(const float* w, int64_t channels, int64_t kernel_h, int64_t kernel_w,
                    float* packed);

}  // namespace penstock::simd
