// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstddef>
#include <cstdint>

namespace penstock::ops {

enum class ResizeFilter : uint8_t { kNearest, kLinear, kCubic };
// coordinate_transformation_mode, but for tf_crop_and_resize.
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
};
enum class ResizeRounding : uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil };

constexpr int kMaxResized = 3;
constexpr int kMaxResizeAxes = 8;

// One pixel that an output is made of.
struct ResizeTap {
  int32_t index;
  float weight;
};

struct ResizedAxis {
  int64_t in = 0;
  int64_t out = 0;
  double numerator = 1;  // the scale, as a fraction
  double denominator = 1;
  int taps = 1;
};

struct ResizeArguments {
  ResizeFilter filter = ResizeFilter::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  ResizeRounding rounding = ResizeRounding::kPreferFloor;
  double cubic_a = -0.75;
  bool antialias = false;
  bool exclude_outside = false;
  DataType type = DataType::kFloat32;  // any where the nearest is taken
  const void* x = nullptr;
  void* y = nullptr;
  ResizeTap* taps = nullptr;  // room for all axes' [out, taps], one after another
  int resized = 0;
  ResizedAxis axis[kMaxResized];
  // Axes of the result in the order of memory, with the strides of x, in elements; which of the
  // resized ones each is, or -1.
  int axes = 0;
  int64_t extents[kMaxResizeAxes] = {};
  int64_t x_strides[kMaxResizeAxes] = {};
  int slot[kMaxResizeAxes] = {};

  int64_t tap_count() const {
    int64_t count = 0;
    for (int i = 0; i < resized; ++i) count += axis[i].out * axis[i].taps;
    return count;
  }
};
void launch_resize(const ResizeArguments& arguments, cudaStream_t stream);

enum class GridSampling : uint8_t { kNearest, kLinear, kCubic };
enum class GridPadding : uint8_t { kZeros, kBorder, kReflection };

// x [batch, channels, in_height, in_width] at the points of grid [batch, points, 2].
struct GridSampleArguments {
  GridSampling sampling = GridSampling::kLinear;
  GridPadding padding = GridPadding::kZeros;
  bool align_corners = false;
  DataType type = DataType::kFloat32;
  DataType grid_type = DataType::kFloat32;
  const void* x = nullptr;
  const void* grid = nullptr;
  void* y = nullptr;
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t in_height = 0;
  int64_t in_width = 0;
  int64_t points = 0;
};
void launch_grid_sample(const GridSampleArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
