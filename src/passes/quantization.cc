// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/quantization.h"

#include "passes/linear.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

bool is_byte(DataType type) {
  return type == DataType::kInt8 || type == DataType::kUInt8 || type == DataType::kFloat8E4M3FN;
}

// Zero points of integers as they are; those of float8 must be 0.
std::optional<std::vector<int64_t>> zero_points_of(const ir::Value* value, size_t count) {
  if (value == nullptr) return std::vector<int64_t>(count, 0);
  if (!value->is_constant()) return std::nullopt;
  const ir::Constant& constant = *value->constant;
  std::vector<int64_t> points = ir::to_int64s(constant);
  if (constant.dtype == DataType::kFloat8E4M3FN) {
    for (uint8_t bits : constant.as<uint8_t>()) {
      if (bits != 0) return std::nullopt;
    }
    points.assign(count, 0);
  }
  if (points.size() != count) return std::nullopt;
  return points;
}

bool divides_in_float32(const ir::Node& node) {
  const auto precision = static_cast<DataType>(
      node.attributes.get_int("precision", static_cast<int64_t>(DataType::kFloat32)));
  return precision == DataType::kFloat32 && node.attributes.get_int("saturate", 1) != 0;
}

}  // namespace

float TensorScale::low() const {
  return static_cast<float>((dtype == DataType::kInt8 ? -128 : 0) - zero_point);
}

float TensorScale::high() const {
  return static_cast<float>((dtype == DataType::kInt8 ? 127 : 255) - zero_point);
}

std::optional<ConstantScales> constant_scales(const ir::Node& node) {
  if (node.attributes.get_int("block_size") != 0 || node.inputs.size() < 2) return std::nullopt;
  const ir::Value* scale = node.inputs[1];
  if (scale == nullptr || !scale->is_constant() || !is_floating(scale->dtype)) return std::nullopt;
  ConstantScales result;
  result.scales = to_doubles(*scale->constant);
  std::optional<std::vector<int64_t>> points = zero_points_of(node.input(2), result.scales.size());
  if (!points || result.scales.empty()) return std::nullopt;
  result.zero_points = *std::move(points);
  const auto rank = static_cast<int64_t>(node.inputs[0]->shape.size());
  result.axis = node.attributes.get_int("axis", 1);
  if (result.axis < 0) result.axis += rank;
  return result;
}

std::optional<TensorScale> tensor_scale(const ir::Node& node) {
  const bool quantizes = node.op == "QuantizeLinear";
  if (!quantizes && node.op != "DequantizeLinear") return std::nullopt;
  if (quantizes && !divides_in_float32(node)) return std::nullopt;
  const std::optional<ConstantScales> scales = constant_scales(node);
  if (!scales || scales->scales.size() != 1) return std::nullopt;
  TensorScale result;
  result.dtype = quantizes ? node.outputs[0]->dtype : node.inputs[0]->dtype;
  result.scale = static_cast<float>(scales->scales[0]);
  result.zero_point = scales->zero_points[0];
  if (!is_byte(result.dtype) || !(result.scale > 0.0f)) return std::nullopt;
  return result;
}

ir::Node* dequantization(const ir::Value* value) {
  ir::Node* node = producer(value, "DequantizeLinear");
  return node != nullptr && tensor_scale(*node) ? node : nullptr;
}

}  // namespace penstock::passes
