// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_roi_align(InferContext& context) {
  if (context.rank(0) != 4 || context.rank(1) != 2 || context.rank(2) != 1) {
    return context.error("takes X [N, C, H, W], rois [regions, 4] and batch indices [regions]");
  }
  const std::string mode = context.attributes().get_string("mode", "avg");
  if (mode != "avg" && mode != "max") return context.error("no mode '" + mode + "'");
  if (context.attributes().get_int("output_height", 1) < 1 ||
      context.attributes().get_int("output_width", 1) < 1) {
    return context.error("output_height and output_width must be positive");
  }
  context.set_output(
      0, context.dtype(0),
      {context.shape(1)[0], context.shape(0)[1], context.attributes().get_int("output_height", 1),
       context.attributes().get_int("output_width", 1)});
  return Status::ok();
}

// Along one axis of one bin.
constexpr int64_t kMostSamples = 1 << 20;

// One axis of a region: its bins, and the points sampled in each.
struct Bins {
  double start;
  double size;
  int64_t samples;

  Bins(double from, double to, int64_t bins, double scale, double offset, int64_t sampling_ratio) {
    start = from * scale - offset;
    double length = to * scale - offset - start;
    // Without the half-pixel shift a region is never less than a pixel.
    if (offset == 0.0) length = std::max(length, 1.0);
    size = length / static_cast<double>(bins);
    samples = sampling_ratio > 0            ? sampling_ratio
              : size < double{kMostSamples} ? static_cast<int64_t>(std::ceil(std::max(size, -1.0)))
                                            : kMostSamples + 1;
  }
  bool is_sane() const { return samples <= kMostSamples; }
  double point(int64_t bin, int64_t sample) const {
    return start + static_cast<double>(bin) * size +
           (static_cast<double>(sample) + 0.5) * size / static_cast<double>(samples);
  }
};

// The two pixels around a coordinate; points more than a pixel outside have no weight.
struct Neighbours {
  int64_t low = 0;
  int64_t high = 0;
  double low_weight = 0.0;
  double high_weight = 0.0;

  Neighbours(double at, int64_t extent) {
    if (!(at >= -1.0 && at <= static_cast<double>(extent))) return;
    at = std::max(at, 0.0);
    low = std::min(static_cast<int64_t>(at), extent - 1);
    high = std::min(low + 1, extent - 1);
    if (low == extent - 1) at = static_cast<double>(low);
    high_weight = at - static_cast<double>(low);
    low_weight = 1.0 - high_weight;
  }
};

// ONNX's maximum is over the weighted corners, not over the interpolated values.
double pool(const double* plane, int64_t height, int64_t width, const Bins& rows, int64_t row,
            const Bins& columns, int64_t column, bool largest) {
  double sum = 0.0;
  double most = 0.0;
  bool first = true;
  for (int64_t i = 0; i < rows.samples; ++i) {
    const Neighbours y(rows.point(row, i), height);
    for (int64_t j = 0; j < columns.samples; ++j) {
      const Neighbours x(columns.point(column, j), width);
      const double corners[] = {y.low_weight * x.low_weight * plane[y.low * width + x.low],
                                y.low_weight * x.high_weight * plane[y.low * width + x.high],
                                y.high_weight * x.low_weight * plane[y.high * width + x.low],
                                y.high_weight * x.high_weight * plane[y.high * width + x.high]};
      sum += corners[0] + corners[1] + corners[2] + corners[3];
      const double here = *std::max_element(std::begin(corners), std::end(corners));
      most = first ? here : std::max(most, here);
      first = false;
    }
  }
  const int64_t count = std::max<int64_t>(rows.samples * columns.samples, 1);
  return largest ? most : sum / static_cast<double>(count);
}

Status reference_roi_align(const NodeFacts& node, KernelRun& run) {
  const Shape& shape = *run.input(0).shape;
  const Shape& rois_shape = *run.input(1).shape;
  const std::vector<double> x = read_reals(run.input(0));
  const std::vector<double> rois = read_reals(run.input(1));
  const std::vector<int64_t> items = read_int64s(run.input(2));
  if (shape.size() != 4 || shape[2] * shape[3] == 0 || rois_shape.size() != 2 ||
      rois_shape[1] != 4 || static_cast<int64_t>(items.size()) != rois_shape[0]) {
    return {StatusCode::kInvalidArgument,
            "RoiAlign: rois " + to_string(rois_shape) + " do not fit X " + to_string(shape)};
  }
  const ir::Attributes& attributes = node.attributes;
  const int64_t rows = attributes.get_int("output_height", 1);
  const int64_t columns = attributes.get_int("output_width", 1);
  const int64_t ratio = attributes.get_int("sampling_ratio", 0);
  const double scale = attributes.get_float("spatial_scale", 1.0f);
  const bool largest = attributes.get_string("mode", "avg") == "max";
  const std::string mode = attributes.get_string("coordinate_transformation_mode", "half_pixel");
  const double offset = mode == "half_pixel" ? 0.5 : 0.0;
  const Shape out_shape = {rois_shape[0], shape[1], rows, columns};
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, out_shape));

  std::vector<double> out;
  for (size_t r = 0; r < items.size(); ++r) {
    if (items[r] < 0 || items[r] >= shape[0]) {
      return {StatusCode::kInvalidArgument, "RoiAlign: batch index " + std::to_string(items[r]) +
                                                " of a region is outside a " + "batch of " +
                                                std::to_string(shape[0])};
    }
    const double* roi = &rois[r * 4];
    if (!std::all_of(roi, roi + 4, [](double edge) { return std::abs(edge) < 1e6; })) {
      return {StatusCode::kInvalidArgument,
              "RoiAlign: region " + std::to_string(r) + " has an edge that is no pixel coordinate"};
    }
    const Bins across(roi[0], roi[2], columns, scale, offset, ratio);
    const Bins down(roi[1], roi[3], rows, scale, offset, ratio);
    if (!across.is_sane() || !down.is_sane()) {
      return {
          StatusCode::kInvalidArgument,
          "RoiAlign: region " + std::to_string(r) + " takes more than " +
              std::to_string(kMostSamples) +
              " samples along an axis of a bin; sampling_ratio and spatial_scale tell how many"};
    }
    for (int64_t c = 0; c < shape[1]; ++c) {
      const double* plane = x.data() + (items[r] * shape[1] + c) * shape[2] * shape[3];
      for_each_index({rows, columns}, [&](const std::vector<int64_t>& at) {
        out.push_back(pool(plane, shape[2], shape[3], down, at[0], across, at[1], largest));
      });
    }
  }
  return write_reals(out, y);
}

}  // namespace

const OpDefinition kRoiAlign = {.name = "RoiAlign",
                                .min_inputs = 3,
                                .max_inputs = 3,
                                .infer = infer_roi_align,
                                .reference = reference_roi_align};

}  // namespace penstock::ops
