// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels. Types are float32, float16 or bfloat16; of maxima also
// int8 and uint8.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

#include "ops/convolution/device_window.h"
#include "ops/epilogue.h"

namespace penstock::ops {

enum class PoolKind : uint8_t { kMax, kAverage, kLp };

// x [batch, channels, depth, height, width], or with channels last; fewer spatial axes have extents
// of 1 before them.
struct PoolArguments {
  PoolKind kind = PoolKind::kMax;
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  bool channels_last = false;
  bool count_padding = false;  // averages divide by taps in the padding too
  float p = 2;
  int64_t batch = 0;
  int64_t channels = 0;
  int in[3] = {1, 1, 1};
  int out[3] = {1, 1, 1};
  int kernel[3] = {1, 1, 1};
  int stride[3] = {1, 1, 1};
  int dilation[3] = {1, 1, 1};
  int pad_begin[3] = {};
  int pad_end[3] = {};
};
void launch_pool(const PoolArguments& arguments, cudaStream_t stream);

constexpr int kMaxDeviceSteps = 4;
struct DeviceStep {
  EpilogueStep::Kind kind = EpilogueStep::Kind::kRelu;
  const void* operand = nullptr;  // of the result's shape, type and layout
  float a = 0;
  float b = 0;
};

// A convolution of images with a filter for each channel. Weights are [channels, kernel] where x is
// plain, [kernel, channels] where channels come last.
struct DepthwiseArguments : DeviceWindow {
  DataType type = DataType::kFloat32;
  DataType bias_type = DataType::kFloat32;
  const void* x = nullptr;
  const void* weights = nullptr;
  const void* bias = nullptr;  // or null
  void* y = nullptr;
  bool channels_last = false;
  int64_t batch = 0;
  int64_t channels = 0;
  int in_height = 0;
  int in_width = 0;
  int out_height = 0;
  int out_width = 0;
  int steps = 0;
  DeviceStep step[kMaxDeviceSteps];
};
void launch_depthwise(const DepthwiseArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
