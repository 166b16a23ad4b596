// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/emitter.h"
#include "import/node_importer.h"
#include "import/rules.h"
#include "ops/op_definition.h"

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

bool is_known(const ir::Value* value) {
  return value->is_constant() || value->contents.has_value();
}

// Of an axis each of `rank`: is it among `axes`, which only the run tells?
ir::Value* are_listed(Emitter& emit, ir::Value* axes, int64_t rank) {
  ir::Value* lowest = emit.extent(0);
  axes = emit.cast(axes, DataType::kInt64);
  ir::Value* wrapped =
      emit("Where", {emit("Less", {axes, lowest}), emit("Add", {axes, emit.extent(rank)}), axes});
  ir::Value* column = emit.reshape(emit.range(rank), {rank, 1});
  ir::Value* matches = emit("Equal", {column, emit.reshape(wrapped, {1, axes->shape[0]})});
  return emit("ReduceMax", {emit.cast(matches, DataType::kInt64)},
              {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{0}}});
}

// The number of axes, where the run tells which ones.
Result<int64_t> axis_count(const NodeImporter& node) {
  const ir::SymbolicShape& shape = node.input(1)->shape;
  if (shape.size() == 1 && shape[0].is_constant()) return shape[0].constant();
  return node.unsupported("the number of axes must be known when the model is built");
}

// A Reshape whose shape is computed: the axes come with the run, how many there are is known.
Status import_squeeze_13(NodeImporter& node) {
  ir::Value* x = node.input(0);
  if (node.input(1) == nullptr || is_known(node.input(1))) return pass_through(node);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t count, axis_count(node));
  const auto rank = static_cast<int64_t>(x->shape.size());
  if (count > rank) return node.invalid("has more axes than its input has");
  if (count == 0) return node.emit_result("Squeeze", {x});
  Emitter emit(node);
  ir::Value* listed = are_listed(emit, node.input(1), rank);
  ir::Value* kept = emit("Compress", {emit.range(rank), emit("Equal", {listed, emit.extent(0)})});
  ir::Value* shape = emit("Gather", {emit("Shape", {x}), emit.reshape(kept, {rank - count})});
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Attributes attributes;
  attributes.set("allowzero", int64_t{1});
  return node.emit_result("Reshape", {x, shape}, std::move(attributes));
}

Status import_unsqueeze_13(NodeImporter& node) {
  ir::Value* x = node.input(0);
  if (is_known(node.input(1))) return pass_through(node);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t count, axis_count(node));
  const auto rank = static_cast<int64_t>(x->shape.size()) + count;
  Emitter emit(node);
  ir::Value* one = emit.extent(1);
  ir::Value* listed = are_listed(emit, node.input(1), rank);
  // An axis of x for each place that is not listed; a leading 1 serves those that are.
  ir::Value* extents =
      emit("Concat", {emit.extents({1}), emit("Shape", {x})}, {{"axis", int64_t{0}}});
  ir::Value* own = emit("CumSum", {emit("Sub", {one, listed})}, {{"axis", int64_t{0}}});
  ir::Value* source = emit("Mul", {own, emit("Sub", {one, listed})});
  ir::Value* shape = emit("Gather", {extents, source});
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Attributes attributes;
  attributes.set("allowzero", int64_t{1});
  return node.emit_result("Reshape", {x, shape}, std::move(attributes));
}

// Crops what is too long, then pads what is too short, about the centre.
Status import_center_crop_pad(NodeImporter& node) {
  ir::Value* x = node.input(0);
  const auto rank = static_cast<int64_t>(x->shape.size());
  std::vector<int64_t> axes = node.attributes().get_ints("axes");
  if (!node.attributes().has("axes")) {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  }
  for (int64_t& axis : axes) {
    Result<int64_t> wrapped = ops::InferContext::normalize_axis(axis, rank);
    if (!wrapped.is_ok()) return node.invalid(wrapped.status().message());
    axis = *wrapped;
  }
  const ir::SymbolicShape& target_shape = node.input(1)->shape;
  const auto count = static_cast<int64_t>(axes.size());
  if (target_shape.size() != 1 ||
      (target_shape[0].is_constant() && !target_shape[0].is_constant(count))) {
    return node.invalid("its shape input has shape " + ir::to_string(target_shape) + " for " +
                        std::to_string(count) + " axes");
  }
  Emitter emit(node);
  ir::SymbolicShape own;
  for (int64_t axis : axes) own.push_back(x->shape[static_cast<size_t>(axis)]);
  ir::Value* target = emit.cast(node.input(1), DataType::kInt64);
  ir::Value* extents = emit.extents(own);
  ir::Value* zero = emit.extent(0);
  ir::Value* two = emit.extent(2);
  ir::Value* excess = emit("Max", {emit("Sub", {extents, target}), zero});
  ir::Value* first = emit("Div", {excess, two});
  ir::Value* last = emit("Add", {first, emit("Min", {extents, target})});
  ir::Value* cropped = emit("Slice", {x, first, last, node.ints(axes)});
  ir::Value* missing = emit("Max", {emit("Sub", {target, extents}), zero});
  ir::Value* before = emit("Div", {missing, two});
  ir::Value* pads =
      emit("Concat", {before, emit("Sub", {missing, before})}, {{"axis", int64_t{0}}});
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  return node.emit_result("Pad", {cropped, pads, nullptr, node.ints(axes)});
}

constexpr Rule kRules[] = {
    {"CenterCropPad", 18, {2, 2}, 1, "axes:I", import_center_crop_pad, "Slice Pad"},
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
    {"Squeeze", 13, {1, 2}, 1, "", import_squeeze_13},
    {"Tile", 6, {2, 2}},
    {"Transpose", 1, {1, 1}, 1, "perm:I"},
    {"Trilu", 14, {1, 2}, 1, "upper:i"},
    {"Unsqueeze", 1, {1, 1}, 1, "axes:I"},
    {"Unsqueeze", 13, {2, 2}, 1, "", import_unsqueeze_13},
};

}  // namespace

RuleList movement_rules() { return kRules; }

}  // namespace penstock::importer
