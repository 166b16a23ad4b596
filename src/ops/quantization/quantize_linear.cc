// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "base/small_types.h"
#include "ops/quantization/quantization.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

DataType type_attribute(const ir::Attributes& attributes, std::string_view name,
                        DataType otherwise) {
  return static_cast<DataType>(attributes.get_int(name, static_cast<int64_t>(otherwise)));
}

bool is_scale_type(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16 ||
         type == DataType::kFloat8E8M0;
}

bool is_quantized_type(DataType type) {
  switch (type) {
    case DataType::kUInt8:
    case DataType::kInt8:
    case DataType::kUInt16:
    case DataType::kInt16: return true;
    default: return is_small(type) && type != DataType::kFloat8E8M0;
  }
}

std::string name(DataType type) { return std::string(to_string(type)); }

// y = saturate(round(x / scale) + zero_point); the type of y is output_dtype, the division happens
// in `precision`.
Status infer_quantize(InferContext& context) {
  const DataType x = context.dtype(0);
  const DataType y = type_attribute(context.attributes(), "output_dtype",
                                    context.has_input(2) ? context.dtype(2) : DataType::kUInt8);
  if (x != DataType::kInt32 && (!is_scale_type(x) || is_small(x))) {
    return context.error("takes float32, float16, bfloat16 and int32, not " + name(x));
  }
  if (!is_scale_type(context.dtype(1))) {
    return context.error("the scale is " + name(context.dtype(1)) + ", but must be floating");
  }
  if (!is_quantized_type(y)) return context.error("does not quantize to " + name(y));
  if (context.has_input(2) && context.dtype(2) != y) {
    return context.error("the zero point is " + name(context.dtype(2)) + ", but the output is " +
                         name(y));
  }
  PENSTOCK_RETURN_IF_ERROR(check_scales(context));
  context.set_output(0, y, context.shape(0));
  return Status::ok();
}

// The quotient as the type of the division has it: floats of 16 bits round their operands too.
float round_to(DataType precision, float value) {
  if (precision == DataType::kFloat16) return static_cast<float>(Half(value));
  if (precision == DataType::kBFloat16) return static_cast<float>(BFloat16(value));
  return value;
}

struct Quantization {
  ScaleMap map;
  std::vector<float> scales;
  std::vector<float> zero_points;  // as many as scales
  DataType precision = DataType::kFloat32;
  SmallRounding rounding;
};

template <typename X, typename Store>
void for_each_quotient(const Quantization& q, const X* x, Store&& store) {
  const float* scales = q.scales.data();
  const float* zero_points = q.zero_points.data();
  const auto value_of = [&](int64_t i) {
    return static_cast<float>(static_cast<Compute<X>>(x[i]));
  };
  if (q.precision == DataType::kFloat32) {
    q.map.for_each(
        [&](int64_t i, int64_t s) { store(i, value_of(i) / scales[s], zero_points[s]); });
  } else {
    q.map.for_each([&](int64_t i, int64_t s) {
      const float dividend = round_to(q.precision, value_of(i));
      const float divisor = round_to(q.precision, scales[s]);
      store(i, round_to(q.precision, dividend / divisor), zero_points[s]);
    });
  }
}

// NaN becomes the lowest integer.
float quantize(float quotient, float zero_point, float low, float high) {
  const float rounded = round_even(quotient) + zero_point;
  return rounded >= low ? (rounded <= high ? rounded : high) : low;
}

template <typename Y, typename X>
void to_integers(const Quantization& q, const X* x, Y* y) {
  constexpr auto kLow = static_cast<float>(std::numeric_limits<Y>::lowest());
  constexpr auto kHigh = static_cast<float>(std::numeric_limits<Y>::max());
  for_each_quotient(q, x, [=](int64_t i, float quotient, float zero_point) {
    y[i] = static_cast<Y>(static_cast<int32_t>(quantize(quotient, zero_point, kLow, kHigh)));
  });
}

template <typename X>
void to_small_integers(const Quantization& q, const X* x, const TensorView& y) {
  const int bits = small_bits(y.dtype);
  const int low = is_small_signed(y.dtype) ? -(1 << (bits - 1)) : 0;
  const auto high = static_cast<float>(low + (1 << bits) - 1);
  for_each_quotient(q, x, [&](int64_t i, float quotient, float zero_point) {
    const float integer = quantize(quotient, zero_point, static_cast<float>(low), high);
    y.as<uint8_t>()[i] = small_from_int64(y.dtype, static_cast<int64_t>(integer));
  });
}

template <typename X>
void to_small_floats(const Quantization& q, const X* x, const TensorView& y) {
  for_each_quotient(q, x, [&](int64_t i, float quotient, float zero_point) {
    y.as<uint8_t>()[i] = small_from_double(y.dtype, quotient + zero_point, q.rounding);
  });
}

template <typename X>
Status quantize_elements(const Quantization& q, const X* x, const TensorView& y) {
  switch (y.dtype) {
    case DataType::kUInt8: to_integers(q, x, y.as<uint8_t>()); break;
    case DataType::kInt8: to_integers(q, x, y.as<int8_t>()); break;
    case DataType::kUInt16: to_integers(q, x, y.as<uint16_t>()); break;
    case DataType::kInt16: to_integers(q, x, y.as<int16_t>()); break;
    default: is_small_float(y.dtype) ? to_small_floats(q, x, y) : to_small_integers(q, x, y); break;
  }
  return Status::ok();
}

Status run_quantize(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  Quantization q;
  PENSTOCK_ASSIGN_OR_RETURN(q.map, scale_map(node.attributes, *x.shape, *run.input(1).shape));
  q.scales = read_numbers(run.input(1));
  q.zero_points.resize(q.scales.size(), 0.0f);
  if (run.has_input(2)) {
    q.zero_points = read_numbers(run.input(2));
    if (q.zero_points.size() != q.scales.size()) {
      return {StatusCode::kInvalidArgument,
              "zero points of shape " + to_string(*run.input(2).shape) + " for scales of shape " +
                  to_string(*run.input(1).shape)};
    }
  }
  const DataType scale_type = run.input(1).dtype;
  q.precision = type_attribute(node.attributes, "precision",
                               is_small(scale_type) ? DataType::kFloat32 : scale_type);
  q.rounding.saturate = node.attributes.get_int("saturate", 1) != 0;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  switch (x.dtype) {
    case DataType::kFloat32: return quantize_elements(q, x.as<const float>(), y);
    case DataType::kFloat16: return quantize_elements(q, x.as<const Half>(), y);
    case DataType::kBFloat16: return quantize_elements(q, x.as<const BFloat16>(), y);
    default: return quantize_elements(q, x.as<const int32_t>(), y);
  }
}

// y = (x - zero_point) * scale, in the type output_dtype.
Status infer_dequantize(InferContext& context) {
  const DataType x = context.dtype(0);
  const DataType y = type_attribute(context.attributes(), "output_dtype", context.dtype(1));
  if (x != DataType::kInt32 && !is_quantized_type(x)) {
    return context.error("does not take elements of type " + name(x));
  }
  if (!is_scale_type(context.dtype(1))) {
    return context.error("the scale is " + name(context.dtype(1)) + ", but must be floating");
  }
  if (!is_scale_type(y) || is_small(y)) {
    return context.error("the output would be " + name(y) +
                         ": set output_dtype to float32, float16 or bfloat16");
  }
  if (context.has_input(2) && context.dtype(2) != x) {
    return context.error("the zero point is " + name(context.dtype(2)) + ", but x is " + name(x));
  }
  PENSTOCK_RETURN_IF_ERROR(check_scales(context));
  context.set_output(0, y, context.shape(0));
  return Status::ok();
}

template <typename Y, typename Difference>
void scale_elements(const ScaleMap& map, const float* scales, Difference&& difference, Y* y) {
  map.for_each([&](int64_t i, int64_t s) { y[i] = static_cast<Y>(difference(i, s) * scales[s]); });
}

// Integers subtract exactly before they become floats.
template <typename X, typename Y>
void dequantize_integers(const ScaleMap& map, const float* scales, const TensorView& x,
                         const TensorView& zero_point, Y* y) {
  const X* elements = x.as<const X>();
  const X* zeros = zero_point.as<const X>();
  if (zeros == nullptr) {
    scale_elements(
        map, scales, [=](int64_t i, int64_t) { return static_cast<float>(elements[i]); }, y);
    return;
  }
  const auto difference = [=](int64_t i, int64_t s) {
    using Wide = std::conditional_t<sizeof(X) == 4, int64_t, int32_t>;
    return static_cast<float>(static_cast<Wide>(elements[i]) - static_cast<Wide>(zeros[s]));
  };
  scale_elements(map, scales, difference, y);
}

template <typename Y>
Status dequantize_to(const ScaleMap& map, const std::vector<float>& scales, const TensorView& x,
                     const TensorView& zero_point, Y* y) {
  const float* s = scales.data();
  switch (x.dtype) {
    case DataType::kUInt8: dequantize_integers<uint8_t>(map, s, x, zero_point, y); break;
    case DataType::kInt8: dequantize_integers<int8_t>(map, s, x, zero_point, y); break;
    case DataType::kUInt16: dequantize_integers<uint16_t>(map, s, x, zero_point, y); break;
    case DataType::kInt16: dequantize_integers<int16_t>(map, s, x, zero_point, y); break;
    case DataType::kInt32: dequantize_integers<int32_t>(map, s, x, zero_point, y); break;
    default: {  // the small types: differences of their numbers are floats
      const std::vector<float> numbers = read_numbers(x);
      std::vector<float> zeros = read_numbers(zero_point);
      zeros.resize(scales.size(), 0.0f);
      scale_elements(
          map, s, [&](int64_t i, int64_t k) { return numbers[i] - zeros[k]; }, y);
    }
  }
  return Status::ok();
}

Status run_dequantize(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const ScaleMap map,
                            scale_map(node.attributes, *x.shape, *run.input(1).shape));
  const std::vector<float> scales = read_numbers(run.input(1));
  const TensorView zero_point = run.has_input(2) ? run.input(2) : TensorView();
  if (run.has_input(2) && *zero_point.shape != *run.input(1).shape &&
      zero_point.count() != static_cast<int64_t>(scales.size())) {
    return {StatusCode::kInvalidArgument, "zero points of shape " + to_string(*zero_point.shape) +
                                              " for scales of shape " +
                                              to_string(*run.input(1).shape)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  switch (y.dtype) {
    case DataType::kFloat16: return dequantize_to(map, scales, x, zero_point, y.as<Half>());
    case DataType::kBFloat16: return dequantize_to(map, scales, x, zero_point, y.as<BFloat16>());
    default: return dequantize_to(map, scales, x, zero_point, y.as<float>());
  }
}

}  // namespace

const OpDefinition kQuantizeLinear = {.name = "QuantizeLinear",
                                      .min_inputs = 2,
                                      .max_inputs = 3,
                                      .infer = infer_quantize,
                                      .reference = run_quantize};

const OpDefinition kDequantizeLinear = {.name = "DequantizeLinear",
                                        .min_inputs = 2,
                                        .max_inputs = 3,
                                        .infer = infer_dequantize,
                                        .reference = run_dequantize};

}  // namespace penstock::ops
