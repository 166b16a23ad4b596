// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

enum class Sampling : uint8_t { kNearest, kLinear, kCubic };
enum class Padding : uint8_t { kZeros, kBorder, kReflection };

struct Options {
  Sampling sampling = Sampling::kLinear;
  Padding padding = Padding::kZeros;
  bool align_corners = false;
};

Result<Options> options_of(const ir::Attributes& attributes) {
  Options options;
  const std::string mode = attributes.get_string("mode", "linear");
  const std::string padding = attributes.get_string("padding_mode", "zeros");
  options.align_corners = attributes.get_int("align_corners") != 0;
  // Opset 16 says bilinear and bicubic.
  if (mode == "nearest") {
    options.sampling = Sampling::kNearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    options.sampling = Sampling::kCubic;
  } else if (mode != "linear" && mode != "bilinear") {
    return Status(StatusCode::kInvalidModel, "no mode '" + mode + "'");
  }
  if (padding == "border") {
    options.padding = Padding::kBorder;
  } else if (padding == "reflection") {
    options.padding = Padding::kReflection;
  } else if (padding != "zeros") {
    return Status(StatusCode::kInvalidModel, "no padding_mode '" + padding + "'");
  }
  return options;
}

// X [N, C, spatial...] and grid [N, output spatial..., spatial axes].
Status infer_grid_sample(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(options_of(context.attributes()).status());
  if (context.rank(0) < 3 || context.rank(1) != context.rank(0)) {
    return context.error("X " + ir::to_string(context.shape(0)) + " and grid " +
                         ir::to_string(context.shape(1)) + " must be of one rank, 3 or more");
  }
  ir::SymbolicShape shape = {context.shape(0)[0], context.shape(0)[1]};
  const ir::SymbolicShape& grid = context.shape(1);
  shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
  context.set_output(0, context.dtype(0), std::move(shape));
  return Status::ok();
}

// Bounces x between the borders of an axis until it is inside.
double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0.0) return low;
  const double along = std::fmod(std::abs(x - low), 2.0 * range);
  return low + (along > range ? 2.0 * range - along : along);
}

// What one axis contributes: up to four pixels and their weights; index -1 is a zero outside.
struct AxisTaps {
  int count = 0;
  std::array<int64_t, 4> index = {};
  std::array<double, 4> weight = {};
};

int64_t padded(const Options& options, double index, int64_t extent) {
  const double last = static_cast<double>(extent - 1);
  if (options.padding == Padding::kReflection) {
    const double half = options.align_corners ? 0.0 : 0.5;
    index = std::trunc(reflect(index, -half, last + half));
  }
  if (options.padding != Padding::kZeros) index = std::clamp(index, 0.0, last);
  return index >= 0.0 && index <= last ? static_cast<int64_t>(index) : -1;
}

// `position` runs from -1 to 1 over the axis.
AxisTaps taps_of(const Options& options, double position, int64_t extent) {
  const double size = static_cast<double>(extent);
  // In float, as ONNX's reference has it: nearest pixels depend on it.
  double x = static_cast<float>(options.align_corners ? (position + 1) / 2 * (size - 1)
                                                      : ((position + 1) * size - 1) / 2);
  if (std::isnan(x)) x = -2.0;
  if (options.sampling == Sampling::kNearest) x = std::nearbyint(x);
  const double half = options.align_corners ? 0.0 : 0.5;
  if (options.padding == Padding::kBorder) x = std::clamp(x, 0.0, size - 1);
  if (options.padding == Padding::kReflection) x = reflect(x, -half, size - 1 + half);
  if (options.sampling == Sampling::kNearest) return {1, {padded(options, x, extent)}, {1.0}};
  const double base = std::floor(x);
  const double t = x - base;
  auto at = [&](double offset) { return padded(options, base + offset, extent); };
  if (options.sampling == Sampling::kLinear) return {2, {at(0), at(1)}, {1 - t, t}};
  // R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
  constexpr double a = -0.75;
  auto inner = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  auto outer = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {4, {at(-1), at(0), at(1), at(2)}, {outer(t + 1), inner(t), inner(1 - t), outer(2 - t)}};
}

// The sum over all combinations of taps from `axis` inwards.
double gather(const double* plane, const Shape& spatial, const std::vector<AxisTaps>& taps,
              size_t axis, int64_t offset) {
  if (axis == taps.size()) return plane[offset];
  double sum = 0.0;
  for (int i = 0; i < taps[axis].count; ++i) {
    if (taps[axis].index[i] < 0) continue;
    sum += taps[axis].weight[i] *
           gather(plane, spatial, taps, axis + 1, offset * spatial[axis] + taps[axis].index[i]);
  }
  return sum;
}

Status reference_grid_sample(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const Options options, options_of(node.attributes));
  const Shape& shape = *run.input(0).shape;
  const Shape& grid_shape = *run.input(1).shape;
  const Shape spatial(shape.begin() + 2, shape.end());
  const size_t axes = spatial.size();
  if (grid_shape.size() != shape.size() || grid_shape[0] != shape[0] ||
      grid_shape.back() != static_cast<int64_t>(axes)) {
    return {StatusCode::kInvalidArgument,
            "GridSample: grid " + to_string(grid_shape) + " does not fit X " + to_string(shape)};
  }
  const std::vector<double> x = read_reals(run.input(0));
  const std::vector<double> grid = read_reals(run.input(1));
  Shape out_shape = {shape[0], shape[1]};
  out_shape.insert(out_shape.end(), grid_shape.begin() + 1, grid_shape.end() - 1);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, out_shape));

  const int64_t points = element_count({out_shape.begin() + 2, out_shape.end()});
  const int64_t plane = element_count(spatial);
  std::vector<double> out(y.count(), 0.0);
  std::vector<AxisTaps> taps(axes);
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t p = 0; p < points; ++p) {
      // A point's coordinates stand in the order x, y, z: the last axis first.
      const double* position = &grid[(n * points + p) * axes];
      for (size_t i = 0; i < axes; ++i) {
        taps[i] = taps_of(options, position[axes - 1 - i], spatial[i]);
      }
      for (int64_t c = 0; c < shape[1]; ++c) {
        const int64_t channel = n * shape[1] + c;
        if (plane > 0) {
          out[channel * points + p] = gather(x.data() + channel * plane, spatial, taps, 0, 0);
        }
      }
    }
  }
  return write_reals(out, y);
}

}  // namespace

const OpDefinition kGridSample = {.name = "GridSample",
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .infer = infer_grid_sample,
                                  .reference = reference_grid_sample};

}  // namespace penstock::ops
