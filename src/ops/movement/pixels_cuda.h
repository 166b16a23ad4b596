// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::ops {

inline constexpr int64_t kMostPixelChannels = 4;

// Images of a few channels, [batch, channels, pixels] in planes, to [batch, pixels, padded] with
// zeros behind the channels.
struct PixelArguments {
  const void* x = nullptr;
  void* y = nullptr;
  DataType from = DataType::kFloat32;  // floats of 16 or 32 bits
  DataType to = DataType::kFloat32;
  int64_t batch = 0;
  int64_t channels = 0;  // 1 to kMostPixelChannels
  int64_t padded = 0;    // channels, or kMostPixelChannels
  int64_t pixels = 0;
};
void launch_pixels(const PixelArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
