// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/vision/resize_plan.h"

#include <algorithm>
#include <cmath>

#include "ops/op_definition.h"

namespace penstock::ops {
namespace {

constexpr std::string_view kCoordinates[] = {
    "half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
    "align_corners", "asymmetric",           "tf_crop_and_resize",
};

// Larger results could not be addressed.
constexpr float kMostExtent = 1e12f;

Status invalid(std::string message) { return {StatusCode::kInvalidModel, std::move(message)}; }

// Where output index x lies among the inputs of its axis.
double source_of(const ResizeAttributes& attributes, const ResizeAxis& axis, double x) {
  const double in = static_cast<double>(axis.in);
  // As ONNX's reference has it, not rounded down where scales are given.
  const double length = axis.scale() * in;
  // In float, where 3 / 0.6 is 5: scales are floats that stand for such decimals.
  auto unscale = [&](double value) {
    return static_cast<double>(static_cast<float>(value * axis.denominator) /
                               static_cast<float>(axis.numerator));
  };
  const std::string& mode = attributes.coordinates;
  if (mode == "align_corners") return length == 1.0 ? 0.0 : x * (in - 1) / (length - 1);
  if (mode == "asymmetric") return unscale(x);
  if (mode == "tf_crop_and_resize") {
    const double span = (axis.roi_end - axis.roi_start) * (in - 1);
    const double first = axis.roi_start * (in - 1);
    return first + (length == 1.0 ? span / 2 : x * span / (length - 1));
  }
  if (mode == "pytorch_half_pixel" && length == 1.0) return -0.5;
  double source = unscale(x + 0.5) - 0.5;
  if (mode == "half_pixel_symmetric") {
    source += in / 2 * (1 - static_cast<double>(axis.out) / length);
  }
  return source;
}

double nearest(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  if (mode == "round_prefer_ceil") return std::floor(x + 0.5);
  return std::ceil(x - 0.5);
}

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1.0) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2.0) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0.0;
}

// A filter as wide as the interpolation's, or wider where antialiasing has to blur.
ResizeTaps filter_taps(const ResizeAttributes& attributes, const ResizeAxis& axis, double x) {
  const double shrink = attributes.antialias ? std::min(axis.scale(), 1.0) : 1.0;
  const double radius = attributes.mode == ResizeMode::kCubic ? 2.0 : 1.0;
  const double base = std::ceil(x) - 1.0;
  const int64_t first = static_cast<int64_t>(std::floor(-radius / shrink)) + 1;
  const int64_t last = 1 - first;
  ResizeTaps taps;
  double sum = 0.0;
  for (int64_t i = first; i <= last; ++i) {
    const int64_t index = static_cast<int64_t>(base) + i;
    const double distance = (static_cast<double>(index) - x) * shrink;
    double weight = attributes.mode == ResizeMode::kCubic ? cubic(distance, attributes.cubic_a)
                                                          : triangle(distance);
    if (attributes.exclude_outside && (index < 0 || index >= axis.in)) weight = 0.0;
    taps.indices.push_back(std::clamp<int64_t>(index, 0, axis.in - 1));
    taps.weights.push_back(weight);
    sum += weight;
  }
  if (attributes.antialias || attributes.exclude_outside) {
    for (double& weight : taps.weights) weight /= sum == 0.0 ? 1.0 : sum;
  }
  return taps;
}

}  // namespace

Result<int64_t> scaled_extent(int64_t extent, float scale) {
  const float scaled = std::floor(static_cast<float>(extent) * scale);
  if (!(scale > 0.0f && scaled < kMostExtent)) {
    return invalid("scale " + std::to_string(scale) + " is not positive, or too large");
  }
  return static_cast<int64_t>(scaled);
}

Result<ResizeAttributes> resize_attributes(const ir::Attributes& attributes, int64_t rank) {
  ResizeAttributes result;
  const std::string mode = attributes.get_string("mode", "nearest");
  if (mode == "linear") {
    result.mode = ResizeMode::kLinear;
  } else if (mode == "cubic") {
    result.mode = ResizeMode::kCubic;
  } else if (mode != "nearest") {
    return invalid("no resize mode '" + mode + "'");
  }
  result.coordinates = attributes.get_string("coordinate_transformation_mode", "half_pixel");
  if (std::find(std::begin(kCoordinates), std::end(kCoordinates), result.coordinates) ==
      std::end(kCoordinates)) {
    return invalid("no coordinate_transformation_mode '" + result.coordinates + "'");
  }
  result.nearest_mode = attributes.get_string("nearest_mode", "round_prefer_floor");
  result.policy = attributes.get_string("keep_aspect_ratio_policy", "stretch");
  result.cubic_a = attributes.get_float("cubic_coeff_a", -0.75f);
  result.extrapolation = attributes.get_float("extrapolation_value", 0.0f);
  result.antialias = attributes.get_int("antialias") != 0;
  result.exclude_outside = attributes.get_int("exclude_outside") != 0;
  result.axes = attributes.get_ints("axes");
  if (result.axes.empty()) {
    for (int64_t i = 0; i < rank; ++i) result.axes.push_back(i);
  }
  for (int64_t& axis : result.axes) {
    PENSTOCK_ASSIGN_OR_RETURN(axis, InferContext::normalize_axis(axis, rank));
  }
  return result;
}

bool ResizeAxis::is_identity(const ResizeAttributes& attributes) const {
  const bool whole =
      attributes.coordinates != "tf_crop_and_resize" || (roi_start == 0.0 && roi_end == 1.0);
  return in == out && whole && numerator == denominator;
}

Result<std::vector<ResizeAxis>> resize_axes(const ResizeAttributes& attributes, const Shape& shape,
                                            const std::vector<float>& scales,
                                            const std::vector<int64_t>& sizes,
                                            const std::vector<float>& roi) {
  const size_t count = attributes.axes.size();
  const bool by_size = !sizes.empty();
  if ((by_size ? sizes.size() : scales.size()) != count ||
      (!roi.empty() && roi.size() != 2 * count)) {
    return invalid(
        "needs one scale or size, and two roi entries where there are any, for each of " +
        std::to_string(count) + " axes; has " + std::to_string(scales.size()) + " scales, " +
        std::to_string(sizes.size()) + " sizes, " + std::to_string(roi.size()) + " roi entries");
  }
  if (!std::all_of(roi.begin(), roi.end(), [](float x) { return std::abs(x) < kMostExtent; })) {
    return invalid("an entry of roi is no number, or too large");
  }
  std::vector<ResizeAxis> axes(count);
  for (size_t i = 0; i < count; ++i) {
    ResizeAxis& axis = axes[i];
    axis.axis = attributes.axes[i];
    axis.in = shape[axis.axis];
    if (!roi.empty()) {
      axis.roi_start = roi[i];
      axis.roi_end = roi[count + i];
    }
    if (by_size) {
      axis.out = sizes[i];
      axis.numerator = static_cast<double>(sizes[i]);
      axis.denominator = static_cast<double>(std::max<int64_t>(axis.in, 1));
    } else {
      PENSTOCK_ASSIGN_OR_RETURN(axis.out, scaled_extent(axis.in, scales[i]));
      axis.numerator = scales[i];
    }
    // Sizes of 0 make an empty tensor; scales have to be positive, and a NaN is not.
    const bool fits = axis.numerator > 0.0 || (by_size && axis.out == 0);
    if (!fits || axis.numerator >= kMostExtent) {
      return invalid("a scale or size is not positive, or too large");
    }
  }
  if (!by_size || attributes.policy == "stretch") return axes;
  // All axes get the smallest, or the largest, of their scales.
  const bool smallest = attributes.policy == "not_larger";
  ResizeAxis chosen = axes.front();
  for (const ResizeAxis& axis : axes) {
    if (smallest ? axis.scale() < chosen.scale() : axis.scale() > chosen.scale()) chosen = axis;
  }
  for (ResizeAxis& axis : axes) {
    axis.numerator = chosen.numerator;
    axis.denominator = chosen.denominator;
    axis.out = static_cast<int64_t>(chosen.scale() * static_cast<double>(axis.in) + 0.5);
  }
  return axes;
}

std::vector<ResizeTaps> resize_taps(const ResizeAttributes& attributes, const ResizeAxis& axis) {
  std::vector<ResizeTaps> all;
  for (int64_t i = 0; i < axis.out; ++i) {
    // Far outside is outside: all that lies there is the border's element.
    constexpr double kFar = 0x1p52;
    const double x = std::clamp(source_of(attributes, axis, static_cast<double>(i)), -kFar, kFar);
    ResizeTaps taps;
    if (attributes.mode == ResizeMode::kNearest) {
      const double index = nearest(attributes.nearest_mode, x);
      taps.indices = {static_cast<int64_t>(
          std::clamp(index, 0.0, static_cast<double>(std::max<int64_t>(axis.in - 1, 0))))};
      taps.weights = {1.0};
    } else {
      taps = filter_taps(attributes, axis, x);
    }
    taps.outside = attributes.coordinates == "tf_crop_and_resize" &&
                   (x < 0.0 || x > static_cast<double>(axis.in - 1));
    all.push_back(std::move(taps));
  }
  return all;
}

}  // namespace penstock::ops
