// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/vision/vision_cuda.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/movement/box.h"
#include "ops/vision/resize_plan.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;
using ir::Layout;

constexpr int64_t kMost = int64_t{1} << 30;  // places that kernels count in 32 bits

// --- Resize

struct ResizeFactors {
  std::vector<float> scales;  // or
  std::vector<int64_t> sizes;
};

// What attributes say: sizes may be extents, which differ from run to run.
ResizeFactors attribute_factors(const NodeFacts& node) {
  ResizeFactors factors;
  factors.sizes = node.attributes.get_ints("sizes");
  if (factors.sizes.empty()) factors.scales = node.attributes.get_floats("scales");
  return factors;
}

bool is_empty(const ResizeFactors& factors) {
  return factors.scales.empty() && factors.sizes.empty();
}

// What constants say. They go with the form, since their data is the build's to read.
Result<ResizeFactors> constant_factors(const NodeFacts& node) {
  ResizeFactors factors;
  const size_t input = node.has_input(3) ? 3 : 2;
  if (!node.has_input(input) || node.inputs[input].data == nullptr) {
    return refuse("the scales or sizes are known at the run only");
  }
  const Operand& given = node.inputs[input];
  const auto count = static_cast<size_t>(element_count(given.shape));
  if (input == 3 && given.dtype == DataType::kInt64) {
    const auto* data = static_cast<const int64_t*>(given.data);
    factors.sizes.assign(data, data + count);
  } else if (input == 2 && given.dtype == DataType::kFloat32) {
    const auto* data = static_cast<const float*>(given.data);
    factors.scales.assign(data, data + count);
  }
  if (is_empty(factors)) return refuse("needs scales of float32, or sizes of int64");
  return factors;
}

// "sizes,20,30", or "scales," and the bits of each float.
std::string print_factors(const ResizeFactors& factors) {
  std::string text = factors.sizes.empty() ? "scales" : "sizes";
  for (int64_t size : factors.sizes) text += "," + std::to_string(size);
  for (float scale : factors.scales) text += "," + std::to_string(std::bit_cast<uint32_t>(scale));
  return text;
}

Result<ResizeFactors> parse_factors(const std::string& text) {
  const Status wrong = {StatusCode::kInvalidPlan, "Resize: a form of '" + text + "'"};
  ResizeFactors factors;
  const bool is_sizes = text.starts_with("sizes,");
  if (!is_sizes && !text.starts_with("scales,")) return wrong;
  const char* at = text.data() + text.find(',');
  const char* end = text.data() + text.size();
  while (at != end) {
    int64_t number = 0;
    const std::from_chars_result read = std::from_chars(at + 1, end, number);
    if (*at != ',' || read.ec != std::errc()) return wrong;
    at = read.ptr;
    if (is_sizes) {
      factors.sizes.push_back(number);
    } else {
      factors.scales.push_back(std::bit_cast<float>(static_cast<uint32_t>(number)));
    }
  }
  return factors;
}

Status set_modes(const ResizeAttributes& attributes, ResizeArguments& a) {
  a.filter = attributes.mode == ResizeMode::kNearest  ? ResizeFilter::kNearest
             : attributes.mode == ResizeMode::kLinear ? ResizeFilter::kLinear
                                                      : ResizeFilter::kCubic;
  const std::string& mode = attributes.coordinates;
  if (mode == "tf_crop_and_resize") return refuse("crops nothing");
  a.coordinates = mode == "half_pixel_symmetric" ? ResizeCoordinates::kHalfPixelSymmetric
                  : mode == "pytorch_half_pixel" ? ResizeCoordinates::kPytorchHalfPixel
                  : mode == "align_corners"      ? ResizeCoordinates::kAlignCorners
                  : mode == "asymmetric"         ? ResizeCoordinates::kAsymmetric
                                                 : ResizeCoordinates::kHalfPixel;
  const std::string& rounding = attributes.nearest_mode;
  a.rounding = rounding == "floor"               ? ResizeRounding::kFloor
               : rounding == "ceil"              ? ResizeRounding::kCeil
               : rounding == "round_prefer_ceil" ? ResizeRounding::kPreferCeil
                                                 : ResizeRounding::kPreferFloor;
  a.cubic_a = attributes.cubic_a;
  a.antialias = attributes.antialias;
  a.exclude_outside = attributes.exclude_outside;
  return Status::ok();
}

// Taps of an output along an axis: as many as resize_taps gives.
int64_t taps_of(const ResizeAttributes& attributes, const ResizeAxis& axis) {
  if (attributes.mode == ResizeMode::kNearest) return 1;
  const double shrink = attributes.antialias ? std::min(axis.scale(), 1.0) : 1.0;
  const double radius = attributes.mode == ResizeMode::kCubic ? 2.0 : 1.0;
  return -2 * static_cast<int64_t>(std::floor(-radius / shrink));
}

// The axes of the result as they lie in memory, neighbours that stay as they are joined.
Status set_axes(const Operand& x, const Shape& y, const std::vector<int>& slots,
                ResizeArguments& a) {
  std::vector<size_t> order;
  for (size_t d = 0; d < y.size(); ++d) {
    if (d != 1 || x.layout == Layout::kPlain) order.push_back(d);
  }
  if (x.layout != Layout::kPlain) order.push_back(1);
  const std::vector<int64_t> strides = layout_strides({x.shape, x.layout});
  for (size_t d : order) {
    if (a.axes > 0 && a.slot[a.axes - 1] < 0 && slots[d] < 0) {
      a.extents[a.axes - 1] *= y[d];
      a.x_strides[a.axes - 1] = strides[d];
      continue;
    }
    if (a.axes == kMaxResizeAxes) return refuse("more than eight axes");
    a.extents[a.axes] = y[d];
    a.x_strides[a.axes] = strides[d];
    a.slot[a.axes++] = slots[d];
  }
  if (a.axes == 0) {
    a.axes = 1;
    a.extents[0] = a.x_strides[0] = 1;
    a.slot[0] = -1;
  }
  return Status::ok();
}

Result<ResizeArguments> resize_arguments(const NodeFacts& node, const ResizeFactors& factors) {
  const Operand& x = node.inputs[0];
  PENSTOCK_ASSIGN_OR_RETURN(
      const ResizeAttributes attributes,
      resize_attributes(node.attributes, static_cast<int64_t>(x.shape.size())));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<ResizeAxis> axes,
                            resize_axes(attributes, x.shape, factors.scales, factors.sizes, {}));
  ResizeArguments a;
  a.type = x.dtype;
  PENSTOCK_RETURN_IF_ERROR(set_modes(attributes, a));
  const size_t size = size_of(x.dtype);
  if (size != 1 && size != 2 && size != 4 && size != 8) return refuse("elements of that size");
  if (a.filter != ResizeFilter::kNearest) {
    PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  }
  Shape y = x.shape;
  std::vector<int> slots(y.size(), -1);
  for (const ResizeAxis& axis : axes) {
    y[axis.axis] = axis.out;
    if (axis.is_identity(attributes)) continue;
    if (a.resized == kMaxResized) return refuse("more than three resized axes");
    if (slots[axis.axis] >= 0) return refuse("an axis that is resized twice");
    const int64_t taps = taps_of(attributes, axis);
    if (axis.in > kMost || axis.out > kMost || taps > 4096 || axis.out * taps > kMost) {
      return refuse("an axis of more than 2^30 taps");
    }
    slots[axis.axis] = a.resized;
    a.axis[a.resized++] = {axis.in, axis.out, axis.numerator, axis.denominator,
                           static_cast<int>(taps)};
  }
  if (y != node.outputs[0].shape) return refuse("the result has another shape");
  if (element_count(y) > kMost) return refuse("more than 2^30 elements");
  if (element_count(x.shape) == 0 && element_count(y) > 0) return refuse("x has no elements");
  PENSTOCK_RETURN_IF_ERROR(set_axes(x, y, slots, a));
  return a;
}

Result<ResizeArguments> bound_arguments(const NodeFacts& node) {
  ResizeFactors factors = attribute_factors(node);
  if (is_empty(factors)) {
    PENSTOCK_ASSIGN_OR_RETURN(factors, parse_factors(node.config));
  }
  return resize_arguments(node, factors);
}

Offer offer_resize(const NodeFacts& node) {
  ResizeFactors factors = attribute_factors(node);
  std::string config;
  if (is_empty(factors)) {
    Result<ResizeFactors> constants = constant_factors(node);
    if (!constants.is_ok()) return Offer::refuse(constants.status().message());
    factors = *std::move(constants);
    config = print_factors(factors);
  }
  Offer offer = both_layouts_or_refuse(node, resize_arguments(node, factors).status());
  for (backends::Form& form : offer.forms) form.config = config;
  return offer;
}

Result<CudaLaunch> bind_resize(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ResizeArguments bound, bound_arguments(node));
  return make_launch(bound, node.outputs[0].shape, launch_resize,
                     [](ResizeArguments& a, const KernelRun& run) {
                       a.taps = static_cast<ResizeTap*>(run.workspace());
                     });
}

// The taps of each axis.
Result<size_t> resize_workspace(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ResizeArguments a, bound_arguments(node));
  return static_cast<size_t>(a.tap_count()) * sizeof(ResizeTap);
}

// --- GridSample

Result<GridSampleArguments> grid_sample_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const Shape& x = node.inputs[0].shape;
  const Shape& grid = node.inputs[1].shape;
  if (x.size() != 4 || grid.size() != 4 || grid[0] != x[0] || grid[3] != 2) {
    return refuse("samples images, at points of two coordinates");
  }
  GridSampleArguments a;
  a.type = node.inputs[0].dtype;
  a.grid_type = node.inputs[1].dtype;
  if (a.grid_type != a.type && a.grid_type != DataType::kFloat32) {
    return refuse("the grid is of another type than x, and not float32");
  }
  const std::string mode = node.attributes.get_string("mode", "linear");
  const std::string padding = node.attributes.get_string("padding_mode", "zeros");
  a.sampling = mode == "nearest"                      ? GridSampling::kNearest
               : mode == "cubic" || mode == "bicubic" ? GridSampling::kCubic
                                                      : GridSampling::kLinear;
  a.padding = padding == "border"       ? GridPadding::kBorder
              : padding == "reflection" ? GridPadding::kReflection
                                        : GridPadding::kZeros;
  a.align_corners = node.attributes.get_int("align_corners") != 0;
  a.batch = x[0];
  a.channels = x[1];
  a.in_height = x[2];
  a.in_width = x[3];
  a.points = grid[1] * grid[2];
  if (a.in_height > kMost || a.in_width > kMost) return refuse("an extent above 2^30");
  return a;
}

Offer offer_grid_sample(const NodeFacts& node) {
  return plain_or_refuse(node, grid_sample_arguments(node).status());
}

Result<CudaLaunch> bind_grid_sample(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const GridSampleArguments bound, grid_sample_arguments(node));
  return make_launch(
      bound, node.outputs[0].shape, launch_grid_sample,
      [](GridSampleArguments& a, const KernelRun& run) { a.grid = run.input(1).data; });
}

}  // namespace

TacticList vision_cuda_tactics() {
  static const CudaTactic kResize("cuda.resize", offer_resize, bind_resize,
                                  {.in_place = false, .workspace = resize_workspace});
  static const CudaTactic kGridSample("cuda.grid_sample", offer_grid_sample, bind_grid_sample);
  return {{"Resize", &kResize}, {"GridSample", &kGridSample}};
}

}  // namespace penstock::ops
