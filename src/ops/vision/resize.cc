// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/normalization/normalization.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/vision/resize_plan.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// floor(extent * scale). Symbolic extents take scales that are small fractions of powers of two,
// where the floats of the kernel round nothing; others are found at the run.
Result<ir::Dim> scaled(InferContext& context, const ir::Dim& extent, float scale) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t constant,
                            scaled_extent(extent.is_constant() ? extent.constant() : 1, scale));
  if (extent.is_constant()) return ir::Dim(constant);
  for (int64_t denominator = 1; denominator <= 64; denominator *= 2) {
    const float numerator = scale * static_cast<float>(denominator);
    if (numerator == std::floor(numerator) && numerator >= 1.0f && numerator <= 4096.0f) {
      return ir::Dim::floor_div(extent * ir::Dim(static_cast<int64_t>(numerator)), denominator);
    }
  }
  return context.fresh_symbol();
}

// The scales where they are known when building.
std::vector<float> known_scales(const InferContext& context) {
  if (context.attributes().has("scales")) return context.attributes().get_floats("scales");
  if (!context.has_input(2) || context.constant(2) == nullptr) return {};
  return ir::to_floats(*context.constant(2));
}

bool has_sizes(const InferContext& context) {
  return context.attributes().has("sizes") || context.has_input(3);
}

// Sizes that keep the aspect ratio need all extents.
Status infer_keeping_ratio(InferContext& context, const ResizeAttributes& attributes,
                           const std::optional<std::vector<ir::Dim>>& sizes) {
  ir::SymbolicShape shape = context.shape(0);
  Shape in;
  std::vector<int64_t> wanted;
  bool known = sizes.has_value() && ir::is_constant(*sizes);
  for (const ir::Dim& extent : shape) in.push_back(extent.constant());
  for (int64_t axis : attributes.axes) known = known && shape[axis].is_constant();
  if (known) {
    for (const ir::Dim& size : *sizes) wanted.push_back(size.constant());
    PENSTOCK_ASSIGN_OR_RETURN(const auto axes, resize_axes(attributes, in, {}, wanted, {}));
    for (const ResizeAxis& axis : axes) shape[axis.axis] = axis.out;
  } else {
    for (int64_t axis : attributes.axes) shape[axis] = context.fresh_symbol();
  }
  context.set_output(0, context.dtype(0), std::move(shape));
  return Status::ok();
}

Status infer_resize(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const ResizeAttributes attributes,
                            resize_attributes(context.attributes(), context.rank(0)));
  if (size_of(context.dtype(0)) == 0) {
    return context.error("cannot resize elements of type " +
                         std::string(to_string(context.dtype(0))));
  }
  const size_t count = attributes.axes.size();
  ir::SymbolicShape shape = context.shape(0);
  if (has_sizes(context)) {
    const auto sizes = context.dims_parameter("sizes", 3);
    if (sizes && sizes->size() != count) return context.error("needs one size for each axis");
    if (attributes.policy != "stretch") return infer_keeping_ratio(context, attributes, sizes);
    for (size_t i = 0; i < count; ++i) {
      shape[attributes.axes[i]] = sizes ? (*sizes)[i] : context.fresh_symbol();
    }
  } else {
    const std::vector<float> scales = known_scales(context);
    if (scales.empty() && !context.has_input(2)) return context.error("has no scales and no sizes");
    if (!scales.empty() && scales.size() != count) {
      return context.error("needs one scale for each axis");
    }
    for (size_t i = 0; i < count; ++i) {
      ir::Dim& extent = shape[attributes.axes[i]];
      if (scales.empty()) {
        extent = context.fresh_symbol();
      } else {
        PENSTOCK_ASSIGN_OR_RETURN(extent, scaled(context, extent, scales[i]));
      }
    }
  }
  context.set_output(0, context.dtype(0), std::move(shape));
  return Status::ok();
}

std::vector<float> floats_of(const KernelRun& run, size_t i) {
  if (!run.has_input(i)) return {};
  const std::vector<double> values = read_reals(run.input(i));
  return {values.begin(), values.end()};
}

// Replaces one axis of row-major values.
template <typename T, typename Blend>
std::vector<T> resize_axis(const std::vector<T>& in, Shape& shape,
                           const ResizeAttributes& attributes, const ResizeAxis& axis, T outside,
                           Blend&& blend) {
  const std::vector<ResizeTaps> taps = resize_taps(attributes, axis);
  const AxisSplit from = split_at(shape, axis.axis);
  shape[axis.axis] = axis.out;
  std::vector<T> out(static_cast<size_t>(element_count(shape)));
  if (in.empty()) return out;
  size_t at = 0;
  for (int64_t o = 0; o < from.outer; ++o) {
    for (const ResizeTaps& tap : taps) {
      for (int64_t i = 0; i < from.inner; ++i, ++at) {
        const T* base = in.data() + o * from.extent * from.inner + i;
        out[at] = tap.outside ? outside : blend(tap, base, from.inner);
      }
    }
  }
  return out;
}

// Elements are copied, whatever their type.
Status resize_nearest(const ResizeAttributes& attributes, const std::vector<ResizeAxis>& axes,
                      const TensorView& x, const TensorView& y) {
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    // vector<bool> has no elements to point at.
    using E = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
    Shape shape = *x.shape;
    std::vector<E> values(x.as<const E>(), x.as<const E>() + x.count());
    for (const ResizeAxis& axis : axes) {
      if (axis.is_identity(attributes)) continue;
      values = resize_axis(values, shape, attributes, axis, from_real<E>(attributes.extrapolation),
                           [](const ResizeTaps& tap, const E* base, int64_t stride) {
                             return base[tap.indices[0] * stride];
                           });
    }
    std::copy(values.begin(), values.end(), y.as<E>());
    return Status::ok();
  });
}

Status resize_filtered(const ResizeAttributes& attributes, const std::vector<ResizeAxis>& axes,
                       const TensorView& x, const TensorView& y) {
  Shape shape = *x.shape;
  std::vector<double> values = read_reals(x);
  for (const ResizeAxis& axis : axes) {
    if (axis.is_identity(attributes)) continue;
    values = resize_axis(values, shape, attributes, axis, attributes.extrapolation,
                         [](const ResizeTaps& tap, const double* base, int64_t stride) {
                           double sum = 0.0;
                           for (size_t k = 0; k < tap.indices.size(); ++k) {
                             if (tap.weights[k] == 0.0) continue;
                             sum += tap.weights[k] * base[tap.indices[k] * stride];
                           }
                           return sum;
                         });
  }
  return write_reals(values, y);
}

Status reference_resize(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(
      const ResizeAttributes attributes,
      resize_attributes(node.attributes, static_cast<int64_t>(x.shape->size())));
  const std::vector<int64_t> sizes = ints_parameter(node, run, "sizes", 3);
  std::vector<float> scales;
  if (sizes.empty()) {
    scales =
        node.attributes.has("scales") ? node.attributes.get_floats("scales") : floats_of(run, 2);
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const std::vector<ResizeAxis> axes,
      resize_axes(attributes, *x.shape, scales, sizes,
                  attributes.coordinates == "tf_crop_and_resize" ? floats_of(run, 1)
                                                                 : std::vector<float>()));
  Shape shape = *x.shape;
  for (const ResizeAxis& axis : axes) shape[axis.axis] = axis.out;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  if (x.count() == 0 && y.count() > 0) {
    return {StatusCode::kInvalidArgument,
            "Resize: cannot make " + to_string(shape) + " of no elements, " + to_string(*x.shape)};
  }
  return attributes.mode == ResizeMode::kNearest ? resize_nearest(attributes, axes, x, y)
                                                 : resize_filtered(attributes, axes, x, y);
}

}  // namespace

const OpDefinition kResize = {.name = "Resize",
                              .min_inputs = 1,
                              .max_inputs = 4,
                              .infer = infer_resize,
                              .reference = reference_resize};

}  // namespace penstock::ops
