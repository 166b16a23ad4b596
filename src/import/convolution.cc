// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// (sum |x|^p)^(1/p) over all spatial axes.
Status emit_global_lp_pool(NodeImporter& node, int64_t p) {
  const ir::Value* x = node.input(0);
  if (p < 1) return node.invalid("p must be positive");
  if (x->shape.size() < 3)
    return node.invalid("takes a batch of channels, not a shape of " + ir::to_string(x->shape));
  std::vector<int64_t> axes;
  for (size_t i = 2; i < x->shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (p <= 2) {
    ir::Attributes attributes;
    attributes.set("axes", axes);
    return node.emit_result(p == 1 ? "ReduceL1" : "ReduceL2", {node.input(0)},
                            std::move(attributes));
  }
  const auto power = static_cast<float>(p);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * size, node.emit("Abs", {node.input(0)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * powers,
                            node.emit("Pow", {size, node.float_constant(power, x->dtype)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * sum, node.emit("ReduceSum", {powers}, {{"axes", axes}}));
  return node.emit_result("Pow", {sum, node.float_constant(1.0f / power, x->dtype)});
}

Status import_global_lp_pool(NodeImporter& node) {
  return emit_global_lp_pool(node, node.attributes().get_int("p", 2));
}

Status import_global_lp_pool_1(NodeImporter& node) {
  const float p = node.attributes().get_float("p", 2.0f);
  if (!(p >= 1.0f && p <= 64.0f) || p != std::floor(p)) {
    return node.unsupported("p must be a whole number from 1 to 64, not " + std::to_string(p));
  }
  return emit_global_lp_pool(node, static_cast<int64_t>(p));
}

constexpr std::string_view kConv = "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I";

constexpr Rule kRules[] = {
    {"AveragePool",
     7,
     {1, 1},
     1,
     "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I"},
    {"Col2Im", 18, {3, 3}, 1, "dilations:I pads:I strides:I"},
    {"Conv", 1, {2, 3}, 1, kConv},
    {"ConvInteger", 10, {2, 4}, 1, kConv},
    {"ConvTranspose",
     1,
     {2, 3},
     1,
     "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I "
     "strides:I"},
    {"DeformConv",
     19,
     {3, 5},
     1,
     "dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I"},
    {"GlobalAveragePool", 1, {1, 1}},
    {"GlobalLpPool",
     1,
     {1, 1},
     1,
     "p:f",
     import_global_lp_pool_1,
     "ReduceL1 ReduceL2 Abs Pow ReduceSum"},
    {"GlobalLpPool",
     2,
     {1, 1},
     1,
     "p:i",
     import_global_lp_pool,
     "ReduceL1 ReduceL2 Abs Pow ReduceSum"},
    {"GlobalMaxPool", 1, {1, 1}},
    {"LpPool",
     2,
     {1, 1},
     1,
     "auto_pad:s ceil_mode:i dilations:I kernel_shape:I p:i pads:I strides:I"},
    {"MaxPool",
     1,
     {1, 1},
     2,
     "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I"},
    {"MaxUnpool", 9, {2, 3}, 1, "kernel_shape:I pads:I strides:I"},
};

}  // namespace

RuleList convolution_rules() { return kRules; }

}  // namespace penstock::importer
