// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/quantized_product.h"

#include <cmath>
#include <limits>

#include "base/small_types.h"
#include "ops/epilogue.h"
#include "ops/quantization/quantization.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::TensorView;

constexpr DataType kFloat8 = DataType::kFloat8E4M3FN;

bool is_int8(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

bool holds(DataType type, int64_t zero_point) {
  if (type == DataType::kInt8) return zero_point >= -128 && zero_point <= 127;
  if (type == DataType::kUInt8) return zero_point >= 0 && zero_point <= 255;
  return zero_point == 0;
}

Status check_types(const InferContext& context) {
  const DataType x = context.dtype(0);
  const DataType w = context.dtype(1);
  if (!(is_int8(x) && is_int8(w)) && !(x == kFloat8 && w == kFloat8)) {
    return context.error(
        "x and w must be of 8 bits, both integers or both float8e4m3fn; they are " +
        std::string(to_string(x)) + " and " + std::string(to_string(w)));
  }
  for (const auto& [name, type] : {std::pair{"x_zero_point", x}, std::pair{"w_zero_point", w}}) {
    const int64_t zero_point = context.attributes().get_int(name);
    if (!holds(type, zero_point)) {
      return context.error(std::string(name) + " is " + std::to_string(zero_point) +
                           ", which is no " + std::string(to_string(type)));
    }
  }
  for (size_t i : {kProductBias, kProductScale}) {
    if (context.has_input(i) && context.dtype(i) != DataType::kFloat32) {
      return context.error("bias and scale must be float32; input " + std::to_string(i) + " is " +
                           std::string(to_string(context.dtype(i))));
    }
  }
  return Status::ok();
}

Status check_result(const InferContext& context) {
  const ProductResult result = product_result(context.attributes());
  switch (result.dtype) {
    case DataType::kFloat32:
    case DataType::kFloat16:
    case DataType::kBFloat16: return Status::ok();
    default: break;
  }
  if (!is_int8(result.dtype) && result.dtype != kFloat8) {
    return context.error("output_dtype is " + std::string(to_string(result.dtype)) +
                         "; the result is a float of 32 or 16 bits, or of 8 bits");
  }
  if (!(result.scale > 0.0f) || !std::isfinite(result.scale)) {
    return context.error("y_scale is " + std::to_string(result.scale) + ", but must be above 0");
  }
  if (!holds(result.dtype, result.zero_point)) {
    return context.error("y_zero_point is " + std::to_string(result.zero_point) + ", which is no " +
                         std::string(to_string(result.dtype)));
  }
  return Status::ok();
}

template <typename T>
void store(const ProductResult& result, const std::vector<double>& values, T* y) {
  constexpr double kLow = std::numeric_limits<T>::lowest();
  constexpr double kHigh = std::numeric_limits<T>::max();
  for (size_t i = 0; i < values.size(); ++i) {
    const double rounded =
        std::nearbyint(values[i] / result.scale) + static_cast<double>(result.zero_point);
    y[i] = static_cast<T>(rounded >= kLow ? (rounded <= kHigh ? rounded : kHigh) : kLow);
  }
}

}  // namespace

bool ProductResult::is_quantized() const { return is_int8(dtype) || dtype == kFloat8; }

ProductResult product_result(const ir::Attributes& attributes) {
  ProductResult result;
  result.dtype = static_cast<DataType>(
      attributes.get_int("output_dtype", static_cast<int64_t>(DataType::kFloat32)));
  result.scale = attributes.get_float("y_scale", 1.0f);
  result.zero_point = attributes.get_int("y_zero_point");
  return result;
}

Status check_product(const InferContext& context, const ir::SymbolicShape& y, size_t channel_axis) {
  PENSTOCK_RETURN_IF_ERROR(check_types(context));
  if (!context.has_input(kProductScale)) return context.error("has no scale");
  const ir::SymbolicShape& scale = context.shape(kProductScale);
  const bool is_one = scale.empty() || (scale.size() == 1 && scale[0].is_constant(1));
  if (!is_one) {
    const bool has_channels = channel_axis < y.size();
    if (scale.size() != 1 || !has_channels ||
        (scale[0].is_constant() && y[channel_axis].is_constant() && scale[0] != y[channel_axis])) {
      return context.error("scales of shape " + ir::to_string(scale) + " for a result of shape " +
                           ir::to_string(y) + ": one for all, or one for each index of axis " +
                           std::to_string(channel_axis));
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check_epilogue(context, kProductOperands, y));
  return check_result(context);
}

std::vector<double> centered_numbers(const TensorView& view, int64_t zero_point) {
  const std::vector<float> numbers = read_numbers(view);
  std::vector<double> centered(numbers.begin(), numbers.end());
  for (double& number : centered) number -= static_cast<double>(zero_point);
  return centered;
}

Status finish_product(const backends::NodeFacts& node, backends::KernelRun& run, const Shape& shape,
                      size_t channel_axis, std::vector<double>& sums) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> scale,
                            read_doubles(run.input(kProductScale)));
  const Shape inner(
      shape.begin() + static_cast<ptrdiff_t>(std::min(channel_axis + 1, shape.size())),
      shape.end());
  const auto share = static_cast<size_t>(std::max<int64_t>(1, element_count(inner)));
  for (size_t i = 0; i < sums.size(); ++i) sums[i] *= scale[i / share % scale.size()];
  if (run.has_input(kProductBias)) {
    // One element for each channel, whatever axes follow.
    Shape bias = *run.input(kProductBias).shape;
    if (bias.size() == 1) bias.resize(1 + inner.size(), 1);
    TensorView view = run.input(kProductBias);
    view.shape = &bias;
    PENSTOCK_RETURN_IF_ERROR(add_broadcast(view, shape, sums));
  }
  PENSTOCK_RETURN_IF_ERROR(apply_epilogue(node, run, shape, sums));
  const ProductResult result = product_result(node.attributes);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  switch (result.dtype) {
    case DataType::kInt8: store(result, sums, y.as<int8_t>()); return Status::ok();
    case DataType::kUInt8: store(result, sums, y.as<uint8_t>()); return Status::ok();
    case kFloat8:
      for (size_t i = 0; i < sums.size(); ++i) {
        y.as<uint8_t>()[i] = small_from_double(kFloat8, sums[i] / result.scale);
      }
      return Status::ok();
    default: return write_doubles(sums, y);
  }
}

}  // namespace penstock::ops
