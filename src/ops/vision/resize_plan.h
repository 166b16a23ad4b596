// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "ir/attributes.h"

namespace penstock::ops {

// Resize: inputs X, roi?, scales?, sizes?; the last two may stand in attributes of those names.

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };

// What the attributes say, for a tensor of some rank.
struct ResizeAttributes {
  ResizeMode mode = ResizeMode::kNearest;
  std::string coordinates;   // coordinate_transformation_mode
  std::string nearest_mode;  // round_prefer_floor, round_prefer_ceil, floor, ceil
  std::string policy;        // keep_aspect_ratio_policy
  std::vector<int64_t> axes;
  double cubic_a = -0.75;
  double extrapolation = 0.0;
  bool antialias = false;
  bool exclude_outside = false;
};
Result<ResizeAttributes> resize_attributes(const ir::Attributes& attributes, int64_t rank);

// floor(extent * scale), in float; an error where the scale is not positive.
Result<int64_t> scaled_extent(int64_t extent, float scale);

// How one axis is resized. The scale is numerator / denominator: size / extent where sizes are
// given, else scale / 1.
struct ResizeAxis {
  int64_t axis = 0;
  int64_t in = 0;
  int64_t out = 0;
  double numerator = 1.0;
  double denominator = 1.0;
  double roi_start = 0.0;
  double roi_end = 1.0;

  double scale() const { return numerator / denominator; }
  bool is_identity(const ResizeAttributes& attributes) const;
};

// One entry per resized axis; `scales` or `sizes` is empty, `roi` may be. An error where their
// lengths do not fit.
Result<std::vector<ResizeAxis>> resize_axes(const ResizeAttributes& attributes, const Shape& shape,
                                            const std::vector<float>& scales,
                                            const std::vector<int64_t>& sizes,
                                            const std::vector<float>& roi);

// What an output element of an axis is made of.
struct ResizeTaps {
  bool outside = false;          // the extrapolation value instead
  std::vector<int64_t> indices;  // inside the input
  std::vector<double> weights;
};
// One entry per output index.
std::vector<ResizeTaps> resize_taps(const ResizeAttributes& attributes, const ResizeAxis& axis);

}  // namespace penstock::ops
