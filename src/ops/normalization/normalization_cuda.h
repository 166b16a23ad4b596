// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels. Types are float32, float16 or bfloat16.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::ops {

// Rows of x + residual, centred and scaled to a variance of 1, times scale plus bias.
struct LayerNormArguments {
  DataType type = DataType::kFloat32;
  DataType scale_type = DataType::kFloat32;  // of scale and bias: `type`, or float32
  const void* x = nullptr;
  const void* residual = nullptr;  // or null
  const void* scale = nullptr;
  const void* bias = nullptr;  // or null
  void* sum = nullptr;         // x + residual, or null
  void* y = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  float epsilon = 0;
  bool is_rms = false;  // not centred
};
void launch_layer_norm(const LayerNormArguments& arguments, cudaStream_t stream);

enum class AxisNorm : uint8_t { kSoftmax, kLogSoftmax, kL1, kL2 };

// Along the middle of [outer, extent, inner].
struct AxisNormArguments {
  AxisNorm kind = AxisNorm::kSoftmax;
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  int64_t outer = 0;
  int64_t extent = 0;
  int64_t inner = 0;
};
void launch_axis_norm(const AxisNormArguments& arguments, cudaStream_t stream);

// A vector with a number for each channel (or group).
struct ChannelVector {
  const void* data = nullptr;
  DataType type = DataType::kFloat32;
};

// (x - mean) / sqrt(variance + epsilon) * scale + bias over [batch, channels, spatial], or with
// channels last.
struct BatchNormArguments {
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  ChannelVector scale, bias, mean, variance;
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t spatial = 0;
  bool channels_last = false;
  float epsilon = 0;
};
void launch_batch_norm(const BatchNormArguments& arguments, cudaStream_t stream);

// The same with the mean and variance of each group of channels of each image.
struct GroupNormArguments {
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  ChannelVector scale, bias;
  bool group_scales = false;  // scale and bias have a number for each group
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t spatial = 0;
  int64_t groups = 1;
  bool channels_last = false;
  float epsilon = 0;
};
void launch_group_norm(const GroupNormArguments& arguments, cudaStream_t stream);

// x / (bias + alpha * squares)^beta, with the squares of `before` channels before and `after`
// after.
struct LocalNormArguments {
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t spatial = 0;
  bool channels_last = false;
  int64_t before = 0;
  int64_t after = 0;
  float alpha = 0;
  float beta = 0;
  float bias = 0;
};
void launch_local_norm(const LocalNormArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
