// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/linear.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/quantization.h"

namespace penstock::passes {
namespace {

// The second factor in 8 bits, with one scale for all of the result's channels or one for each.
struct Factor {
  ir::Value* value = nullptr;
  std::vector<double> scales;
  int64_t zero_point = 0;
  ir::ConstantRef shifted;  // in the value's place, where set
};

// Elements less their zero points as int8, where they fit.
ir::ConstantRef centered(const ir::Constant& constant, const ConstantScales& scales) {
  std::vector<int64_t> elements = ir::to_int64s(constant);
  int64_t inner = 1;
  const auto axis = static_cast<size_t>(scales.axis);
  for (size_t i = axis + 1; i < constant.shape.size(); ++i) inner *= constant.shape[i];
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto channel =
        static_cast<size_t>(static_cast<int64_t>(i) / inner) % scales.zero_points.size();
    elements[i] -= scales.zero_points[channel];
    if (elements[i] < -128 || elements[i] > 127) return nullptr;
  }
  return ir::constant_of(DataType::kInt8, constant.shape, elements);
}

bool are_zero(const std::vector<int64_t>& points) {
  return std::all_of(points.begin(), points.end(), [](int64_t p) { return p == 0; });
}

// The axis of the weights that is the result's channels; -1 where there is none.
int64_t channel_axis(const ir::Node& product) {
  if (product.op == "Conv") return 0;
  const auto rank = static_cast<int64_t>(product.inputs[1]->shape.size());
  if (rank < 2) return -1;
  return product.attributes.get_int("trans_b") != 0 ? rank - 2 : rank - 1;
}

std::optional<Factor> factor_of(const ir::Node& product) {
  const ir::Node* dequantize = producer(product.inputs[1], "DequantizeLinear");
  if (dequantize == nullptr) return std::nullopt;
  const std::optional<ConstantScales> scales = constant_scales(*dequantize);
  if (!scales) return std::nullopt;
  if (scales->scales.size() != 1 && scales->axis != channel_axis(product)) return std::nullopt;
  Factor factor;
  factor.value = dequantize->inputs[0];
  factor.scales = scales->scales;
  const DataType type = factor.value->dtype;
  if (type == DataType::kFloat8E4M3FN) return factor;
  if (type != DataType::kInt8 && type != DataType::kUInt8) return std::nullopt;
  if (type == DataType::kInt8 && are_zero(scales->zero_points)) return factor;
  if (factor.value->is_constant()) {
    factor.shifted = centered(*factor.value->constant, *scales);
    if (factor.shifted != nullptr) return factor;
  }
  if (product.op != "MatMul" || scales->zero_points.size() != 1) return std::nullopt;
  factor.zero_point = scales->zero_points[0];
  return factor;
}

// The bias as float32; false where it cannot be.
bool take_bias(Rewriter& rewriter, ir::Value*& bias) {
  if (bias == nullptr || bias->dtype == DataType::kFloat32) return true;
  if (!bias->is_constant() || !is_floating(bias->dtype)) return false;
  bias = rewriter.graph().add_constant(
      bias->name,
      ir::constant_of(DataType::kFloat32, bias->constant->shape, to_doubles(*bias->constant)));
  return true;
}

bool has_padding(const ir::Node& conv) {
  const std::vector<int64_t> pads = conv.attributes.get_ints("pads");
  const std::string automatic = conv.attributes.get_string("auto_pad", "NOTSET");
  return (automatic != "NOTSET" && automatic != "VALID") ||
         std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
}

// Where every sum has all of a channel's weights, x's zero point adds the same to all of them: that
// moves into the bias. `scales` are those of the sums.
bool fold_zero_point(Rewriter& rewriter, const ir::Node& product, const Factor& factor,
                     int64_t zero_point, const std::vector<double>& scales, ir::Value*& bias) {
  const ir::Value* w = factor.value;
  const bool is_conv = product.op == "Conv";
  if (!w->is_constant() || is_small(w->dtype) || factor.zero_point != 0) return false;
  if (is_conv ? has_padding(product) : w->shape.size() != 2) return false;
  const Shape& shape = w->constant->shape;
  const bool first = is_conv || product.attributes.get_int("trans_b") != 0;
  const int64_t channels = first ? shape[0] : shape[1];
  if (bias != nullptr && (!bias->is_constant() || bias->constant->shape != Shape{channels})) {
    return false;
  }
  std::vector<double> folded(static_cast<size_t>(channels), 0.0);
  if (bias != nullptr) folded = to_doubles(*bias->constant);
  const std::vector<int64_t> elements = ir::to_int64s(*w->constant);
  const int64_t share = channels == 0 ? 1 : element_count(shape) / channels;
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto channel = static_cast<size_t>(first ? at / share : at % channels);
    folded[channel] -=
        static_cast<double>(zero_point * elements[i]) * scales[scales.size() == 1 ? 0 : channel];
  }
  bias = rewriter.graph().add_constant(product.name + ".bias",
                                       ir::constant_of(DataType::kFloat32, {channels}, folded));
  return true;
}

ir::Value* scale_constant(Rewriter& rewriter, const ir::Node& product,
                          const std::vector<double>& scales) {
  const Shape shape = scales.size() == 1 ? Shape() : Shape{static_cast<int64_t>(scales.size())};
  return rewriter.graph().add_constant(product.name + ".scale",
                                       ir::constant_of(DataType::kFloat32, shape, scales));
}

void quantize_product(Rewriter& rewriter, ir::Node& product) {
  ir::Node* x = dequantization(product.inputs[0]);
  if (x == nullptr || product.inputs.size() > 3 || product.attributes.has("epilogue")) return;
  std::optional<Factor> factor = factor_of(product);
  if (!factor) return;
  const TensorScale x_scale = *tensor_scale(*x);
  const bool is_float8 = x_scale.dtype == DataType::kFloat8E4M3FN;
  if (is_float8 != (factor->value->dtype == DataType::kFloat8E4M3FN)) return;
  ir::Value* bias = product.input(2);
  if (!take_bias(rewriter, bias)) return;
  if (factor->shifted != nullptr) {
    factor->value = rewriter.graph().add_constant(factor->value->name, factor->shifted);
  }
  ir::Node node;
  node.op = "Quantized" + product.op;
  node.name = product.name;
  node.attributes = product.attributes;
  node.attributes.erase("alpha");
  node.attributes.erase("tf32");
  for (double& scale : factor->scales) {
    scale *= double{x_scale.scale} * product.attributes.get_float("alpha", 1.0f);
  }
  if (x_scale.zero_point != 0 &&
      !fold_zero_point(rewriter, product, *factor, x_scale.zero_point, factor->scales, bias)) {
    node.attributes.set("x_zero_point", x_scale.zero_point);
  }
  if (factor->zero_point != 0) node.attributes.set("w_zero_point", factor->zero_point);
  const DataType type = product.outputs[0]->dtype;
  if (type != DataType::kFloat32) {
    node.attributes.set("output_dtype", static_cast<int64_t>(type));
  }
  node.inputs = {x->inputs[0], factor->value, bias,
                 scale_constant(rewriter, product, factor->scales)};
  rewriter.replace_node(product, std::move(node), {x});
}

}  // namespace

// Convolutions and matrix products of dequantized factors become products of the 8-bit elements,
// scaled once they are summed.
Status quantized_products(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op == "Conv" || node.op == "MatMul") quantize_product(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
