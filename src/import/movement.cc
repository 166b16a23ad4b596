// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

Status import_identity(NodeImporter& node) {
  node.alias(0, node.input(0));
  return Status::ok();
}

// Up to opset 10 the value is an attribute; the pads stay one.
Status import_pad_2(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const float value = attributes.get_float("value");
  attributes.erase("value");
  std::vector<ir::Value*> inputs = {node.input(0)};
  if (value != 0.0f) {
    inputs = {node.input(0), nullptr, node.float_constant(value, node.input(0)->dtype)};
  }
  return node.emit_result("Pad", std::move(inputs), std::move(attributes));
}

// Unequal parts come from the input, equal ones from the number of outputs.
Status import_split(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const auto parts = static_cast<int64_t>(node.output_count());
  if (attributes.get_int("num_outputs", parts) != parts) {
    return node.invalid("num_outputs does not match its " + std::to_string(parts) + " outputs");
  }
  return node.emit_result("Split", node.inputs(), std::move(attributes));
}

// The value is a tensor of one element: a number and a type among the core operator's attributes.
Status import_constant_of_shape(NodeImporter& node) {
  ir::Attributes attributes;
  DataType dtype = DataType::kFloat32;
  if (const onnx::TensorProto* tensor = node.tensor("value")) {
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * value, node.constant(*tensor));
    const ir::Constant& constant = *value->constant;
    if (element_count(constant.shape) != 1) return node.invalid("its value must be one element");
    dtype = constant.dtype;
    if (is_small(dtype)) {  // no number to compute with: the element itself, repeated
      PENSTOCK_ASSIGN_OR_RETURN(ir::Value * element, node.emit("Reshape", {value, node.ints({})}));
      return node.emit_result("Expand", {element, node.input(0)});
    }
    if (is_floating(dtype)) {
      attributes.set("value", to_floats(constant)[0]);
    } else {
      attributes.set("value", to_int64s(constant)[0]);
    }
  }
  attributes.set("dtype", static_cast<int64_t>(dtype));
  return node.emit_result("ConstantOfShape", {node.input(0)}, std::move(attributes));
}

constexpr Rule kRules[] = {
    {"Concat", 4, {1, Arity::kAny}, 1, "axis:i"},
    {"ConstantOfShape",
     9,
     {1, 1},
     1,
     "value:t",
     import_constant_of_shape,
     "ConstantOfShape Expand Reshape"},
    {"DepthToSpace", 1, {1, 1}, 1, "blocksize:i mode:s"},
    {"Expand", 8, {2, 2}},
    {"EyeLike", 9, {1, 1}, 1, "dtype:i k:i"},
    {"Flatten", 1, {1, 1}, 1, "axis:i"},
    {"Identity", 1, {1, 1}, 1, "", import_identity, "Copy"},
    {"Pad", 2, {1, 1}, 1, "mode:s pads:I value:f", import_pad_2},
    {"Pad", 11, {2, 4}, 1, "mode:s"},
    {"Range", 11, {3, 3}, 1, "~stash_type:i"},
    {"Reshape", 5, {2, 2}, 1, "allowzero:i"},
    {"ReverseSequence", 10, {2, 2}, 1, "batch_axis:i time_axis:i"},
    {"Shape", 1, {1, 1}, 1, "start:i end:i"},
    {"Size", 1, {1, 1}},
    {"Slice", 1, {1, 1}, 1, "axes:I starts:I ends:I"},
    {"Slice", 10, {3, 5}},
    {"SpaceToDepth", 1, {1, 1}, 1, "blocksize:i mode:s"},
    {"Split", 2, {1, 1}, Arity::kAny, "axis:i split:I", import_split},
    {"Split", 13, {1, 2}, Arity::kAny, "axis:i num_outputs:i", import_split},
    {"Squeeze", 1, {1, 1}, 1, "axes:I"},
    {"Squeeze", 13, {1, 2}},
    {"Tile", 6, {2, 2}},
    {"Transpose", 1, {1, 1}, 1, "perm:I"},
    {"Trilu", 14, {1, 2}, 1, "upper:i"},
    {"Unsqueeze", 1, {1, 1}, 1, "axes:I"},
    {"Unsqueeze", 13, {2, 2}},
};

}  // namespace

RuleList movement_rules() { return kRules; }

}  // namespace penstock::importer
