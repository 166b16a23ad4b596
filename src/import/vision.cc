// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// The first Resize and Upsample: pixel i comes from i / scale. ONNX left the rounding of "nearest"
// open; ONNX Runtime's, which files were written for, is down when growing and up when shrinking.
Status emit_old_resize(NodeImporter& node, ir::Value* scales) {
  ir::Attributes attributes;
  std::string mode = node.attributes().get_string("mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  attributes.set("mode", mode);
  attributes.set("coordinate_transformation_mode", "asymmetric");
  std::string rounding = "floor";
  if (scales->is_constant()) {
    const std::vector<float> factors = to_floats(*scales->constant);
    const auto shrinks = [](float factor) { return factor < 1.0f; };
    if (std::any_of(factors.begin(), factors.end(), shrinks)) rounding = "ceil";
  }
  if (mode == "nearest") attributes.set("nearest_mode", rounding);
  return node.emit_result("Resize", {node.input(0), nullptr, scales}, std::move(attributes));
}

ir::Value* scales_constant(NodeImporter& node, const std::vector<float>& scales) {
  const auto count = static_cast<int64_t>(scales.size());
  return node.graph().add_constant(node.name() + "/scales",
                                   ir::make_constant(DataType::kFloat32, {count}, scales));
}

// Images of [batch, channels, height, width] only.
Status import_upsample_1(NodeImporter& node) {
  const ir::Attributes& attributes = node.attributes();
  if (!attributes.has("height_scale") || !attributes.has("width_scale")) {
    return node.invalid("attributes 'height_scale' and 'width_scale' are needed");
  }
  return emit_old_resize(node,
                         scales_constant(node, {1.0f, 1.0f, attributes.get_float("height_scale"),
                                                attributes.get_float("width_scale")}));
}

Status import_upsample_7(NodeImporter& node) {
  const std::vector<float> scales = node.attributes().get_floats("scales");
  if (scales.empty()) return node.invalid("attribute 'scales' is missing");
  return emit_old_resize(node, scales_constant(node, scales));
}

Status import_resize_10(NodeImporter& node) { return emit_old_resize(node, node.input(1)); }

// An input that is there but empty means the same as one that is absent.
Status import_resize(NodeImporter& node) {
  std::vector<ir::Value*> inputs = node.inputs();
  for (size_t i = 1; i < inputs.size(); ++i) {
    const bool is_empty = inputs[i] != nullptr && inputs[i]->is_constant() &&
                          element_count(inputs[i]->constant->shape) == 0;
    if (is_empty) inputs[i] = nullptr;
  }
  while (inputs.back() == nullptr) inputs.pop_back();
  if (inputs.size() < 3) return node.invalid("needs scales or sizes");
  return node.emit_result("Resize", std::move(inputs), node.attributes());
}

// Opset 20 renamed the modes.
Status import_grid_sample_16(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const std::string mode = attributes.get_string("mode", "bilinear");
  attributes.set("mode", mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode);
  return node.emit_result("GridSample", node.inputs(), std::move(attributes));
}

// Before opset 16 pixels were not shifted by half of one.
Status import_roi_align_10(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  attributes.set("coordinate_transformation_mode", "output_half_pixel");
  return node.emit_result("RoiAlign", node.inputs(), std::move(attributes));
}

constexpr std::string_view kRoiAlign =
    "mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f "
    "coordinate_transformation_mode:s";

constexpr Rule kRules[] = {
    {"ImageDecoder", 20, {1, 1}, 1, "pixel_format:s"},
    {"AffineGrid", 20, {2, 2}, 1, "align_corners:i"},
    {"GridSample", 16, {2, 2}, 1, "align_corners:i mode:s padding_mode:s", import_grid_sample_16},
    {"GridSample", 20, {2, 2}, 1, "align_corners:i mode:s padding_mode:s"},
    {"MaxRoiPool", 1, {2, 2}, 1, "pooled_shape:I spatial_scale:f"},
    {"NonMaxSuppression", 10, {2, 5}, 1, "center_point_box:i"},
    {"Resize", 10, {2, 2}, 1, "mode:s", import_resize_10},
    {"Resize",
     11,
     {1, 4},
     1,
     "antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i "
     "extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s",
     import_resize},
    {"RoiAlign", 10, {3, 3}, 1, kRoiAlign, import_roi_align_10},
    {"RoiAlign", 16, {3, 3}, 1, kRoiAlign},
    {"Upsample", 1, {1, 1}, 1, "height_scale:f mode:s width_scale:f", import_upsample_1, "Resize"},
    {"Upsample", 7, {1, 1}, 1, "mode:s scales:F", import_upsample_7, "Resize"},
    {"Upsample", 9, {2, 2}, 1, "mode:s", import_resize_10, "Resize"},
};

}  // namespace

RuleList vision_rules() { return kRules; }

}  // namespace penstock::importer
