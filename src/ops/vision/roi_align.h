// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/op_definition.h"

namespace penstock::ops {

// One axis of a region: its bins, and the points sampled in each.
struct RoiBins {
  double start;
  double size;
  int64_t samples;

  RoiBins(double from, double to, int64_t bins, double scale, double offset,
          int64_t sampling_ratio) {
    start = from * scale - offset;
    double length = to * scale - offset - start;
    // Without the half-pixel shift a region is never less than a pixel.
    if (offset == 0.0) length = std::max(length, 1.0);
    size = length / static_cast<double>(bins);
    samples = sampling_ratio > 0 ? sampling_ratio : static_cast<int64_t>(std::ceil(size));
  }
  double point(int64_t bin, int64_t sample) const {
    return start + static_cast<double>(bin) * size +
           (static_cast<double>(sample) + 0.5) * size / static_cast<double>(samples);
  }
};

// The two pixels around a coordinate; points more than a pixel outside have no weight.
struct RoiNeighbours {
  int64_t low = 0;
  int64_t high = 0;
  double low_weight = 0.0;
  double high_weight = 0.0;

  RoiNeighbours(double at, int64_t extent) {
    if (!(at >= -1.0 && at <= static_cast<double>(extent))) return;
    at = std::max(at, 0.0);
    low = std::min(static_cast<int64_t>(at), extent - 1);
    high = std::min(low + 1, extent - 1);
    if (low == extent - 1) at = static_cast<double>(low);
    high_weight = at - static_cast<double>(low);
    low_weight = 1.0 - high_weight;
  }
};

// ONNX's attributes of RoiAlign.
struct RoiAlignOptions {
  int64_t rows;
  int64_t columns;
  int64_t sampling_ratio;
  double scale;
  double offset;

  explicit RoiAlignOptions(const ir::Attributes& attributes)
      : rows(attributes.get_int("output_height", 1)),
        columns(attributes.get_int("output_width", 1)),
        sampling_ratio(attributes.get_int("sampling_ratio", 0)),
        scale(attributes.get_float("spatial_scale", 1.0f)),
        offset(attributes.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel"
                   ? 0.5
                   : 0.0) {}

  RoiBins across(double from, double to) const {
    return RoiBins(from, to, columns, scale, offset, sampling_ratio);
  }
  RoiBins down(double from, double to) const {
    return RoiBins(from, to, rows, scale, offset, sampling_ratio);
  }
};

// Of X, the regions, and the batch indices.
inline Status check_roi_shapes(const Shape& x, const Shape& rois, int64_t indices) {
  const bool fits = x.size() == 4 && rois.size() == 2 && rois[1] == 4 && rois[0] == indices;
  if (fits && (rois[0] == 0 || (x[2] > 0 && x[3] > 0))) return Status::ok();
  return {StatusCode::kInvalidArgument,
          "RoiAlign: rois " + to_string(rois) + " do not fit X " + to_string(x)};
}

// Region `r` has edges that are pixel coordinates, in an item of the batch.
template <typename T>
Status check_region(size_t r, const T* roi, int64_t item, int64_t batch) {
  if (item < 0 || item >= batch) {
    return {StatusCode::kInvalidArgument, "RoiAlign: batch index " + std::to_string(item) +
                                              " of a region is outside a " + "batch of " +
                                              std::to_string(batch)};
  }
  if (!std::all_of(roi, roi + 4, [](T edge) { return std::abs(edge) < T{1e6}; })) {
    return {StatusCode::kInvalidArgument,
            "RoiAlign: region " + std::to_string(r) + " has an edge that is no pixel coordinate"};
  }
  return Status::ok();
}

}  // namespace penstock::ops
