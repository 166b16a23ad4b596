// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "import/node_importer.h"
#include "import/rules.h"
#include "import/tensor.h"
#include "import/value_type.h"
#include "ops/op_definition.h"

namespace penstock::importer {
namespace {

bool is_constructed(const ir::Value* sequence) {
  return sequence->producer != nullptr && sequence->producer->op == "SequenceConstruct";
}

Status import_empty(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  const auto dtype = static_cast<int>(attributes.get_int("dtype", 1));
  if (!element_type(dtype)) {
    return node.unsupported("a sequence of " + onnx_type_name(dtype) + " is not supported");
  }
  return node.emit_result("SequenceEmpty", {}, std::move(attributes));
}

// The sizes of the pieces where they are known, not too many, and add up; else nothing.
std::optional<std::vector<int64_t>> known_sizes(const ir::Dim& whole, const ir::Value* split) {
  constexpr int64_t kMostPieces = 256;
  if (!whole.is_constant()) return std::nullopt;
  std::vector<int64_t> sizes;
  int64_t step = 1;
  if (split != nullptr) {
    if (!split->contents || !ir::is_constant(*split->contents)) return std::nullopt;
    for (const ir::Dim& size : *split->contents) sizes.push_back(size.constant());
    if (split->shape.empty()) step = sizes.front();
  }
  if (step < 1 || whole.constant() / step >= kMostPieces) return std::nullopt;
  if (split == nullptr || split->shape.empty()) {
    sizes.clear();
    for (int64_t at = 0; at < whole.constant(); at += step) {
      sizes.push_back(std::min(step, whole.constant() - at));
    }
  }
  int64_t sum = 0;
  for (int64_t size : sizes) {
    if (size < 0 || __builtin_add_overflow(sum, size, &sum)) return std::nullopt;
  }
  return sum == whole.constant() && !sizes.empty() ? std::optional(sizes) : std::nullopt;
}

// Pieces of known sizes are named one by one, so that their shapes are known where they are used.
Status import_split(NodeImporter& node) {
  ir::Value* x = node.input(0);
  const Result<int64_t> axis = ops::InferContext::normalize_axis(
      node.attributes().get_int("axis"), static_cast<int64_t>(x->shape.size()));
  const auto sizes = axis.is_ok() && !x->element
                         ? known_sizes(x->shape[static_cast<size_t>(*axis)], node.input(1))
                         : std::nullopt;
  if (!sizes) return node.emit_result("SplitToSequence", node.inputs(), node.attributes());
  const bool squeezes = node.input(1) == nullptr && node.attributes().get_int("keepdims", 1) == 0;
  std::vector<ir::Value*> pieces;
  int64_t at = 0;
  for (int64_t size : *sizes) {
    PENSTOCK_ASSIGN_OR_RETURN(
        ir::Value * piece,
        node.emit("Slice", {x, node.ints({at}), node.ints({at + size}), node.ints({*axis})}));
    if (squeezes) {
      PENSTOCK_ASSIGN_OR_RETURN(piece, node.emit("Squeeze", {piece, node.ints({*axis})}));
    }
    pieces.push_back(piece);
    at += size;
  }
  return node.emit_result("SequenceConstruct", std::move(pieces));
}

// Of a sequence whose tensors are named one by one, what stands at a known place is that tensor.
Status import_at(NodeImporter& node) {
  const ir::Value* sequence = node.input(0);
  const auto& known = node.input(1)->contents;
  if (is_constructed(sequence) && known && known->size() == 1 && known->front().is_constant()) {
    const std::vector<ir::Value*>& tensors = sequence->producer->inputs;
    const auto count = static_cast<int64_t>(tensors.size());
    int64_t at = known->front().constant();
    if (at < -count || at >= count) {
      return node.invalid("position " + std::to_string(at) + " is outside a sequence of " +
                          std::to_string(count) + " tensors");
    }
    node.alias(0, tensors[static_cast<size_t>(at < 0 ? at + count : at)]);
    return Status::ok();
  }
  return node.emit_result("SequenceAt", node.inputs());
}

Status import_length(NodeImporter& node) {
  if (!is_constructed(node.input(0))) return node.emit_result("SequenceLength", node.inputs());
  const auto count = static_cast<int64_t>(node.input(0)->producer->inputs.size());
  node.alias(0, node.int64_constant(count));
  return Status::ok();
}

// Of tensors that are named one by one, this is a Concat, whose shape is known.
Status import_concat(NodeImporter& node) {
  const ir::Value* sequence = node.input(0);
  if (!node.attributes().has("axis")) return node.invalid("attribute 'axis' is missing");
  if (!is_constructed(sequence)) {
    return node.emit_result("ConcatFromSequence", node.inputs(), node.attributes());
  }
  const int64_t axis = node.attributes().get_int("axis");
  std::vector<ir::Value*> tensors = sequence->producer->inputs;
  if (node.attributes().get_int("new_axis") != 0) {
    for (ir::Value*& tensor : tensors) {
      PENSTOCK_ASSIGN_OR_RETURN(tensor,
                                node.emit("Unsqueeze", {tensor}, {{"axes", std::vector{axis}}}));
    }
  }
  ir::Attributes attributes;
  attributes.set("axis", axis);
  return node.emit_result("Concat", std::move(tensors), std::move(attributes));
}

Status import_map(NodeImporter& node) {
  const onnx::GraphProto* body = node.subgraph("body");
  if (body == nullptr) return node.invalid("subgraph 'body' is missing");
  if (static_cast<size_t>(body->output_size()) != node.output_count()) {
    return node.invalid("its subgraph has " + std::to_string(body->output_size()) +
                        " outputs, not " + std::to_string(node.output_count()));
  }
  std::vector<BodyInput> inputs;
  for (const ir::Value* input : node.inputs()) {
    if (input == nullptr) return node.invalid("an input is missing");
    if (!input->element) {
      inputs.push_back({input->dtype, input->shape});
      continue;
    }
    auto shape = input->element->tensor_shape([&] { return node.graph().fresh_symbol(); });
    if (!shape) {
      return node.unsupported("the tensors of sequence '" + input->name +
                              "' have no known number of dimensions: declare their shape");
    }
    inputs.push_back({input->element->dtype, *std::move(shape)});
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region, node.import_body(*body, inputs));
  ir::Node result;
  result.op = "SequenceMap";
  result.inputs = node.inputs();
  result.regions.push_back(std::move(region));
  return node.emit_result(std::move(result));
}

// Without an input, the attribute tells what is not there.
Status import_optional(NodeImporter& node) {
  if (node.input(0) != nullptr) return node.emit_result("Optional", {node.input(0)});
  const onnx::TypeProto* type = node.type("type");
  if (type == nullptr) return node.invalid("has neither an input nor a type");
  onnx::TypeProto optional;
  *optional.mutable_optional_type()->mutable_elem_type() = *type;
  const std::optional<ir::ElementType> element = held_type(optional);
  if (!element) return node.unsupported("an optional " + type_name(*type) + " is not supported");
  ir::Attributes attributes;
  attributes.set("dtype", static_cast<int64_t>(element->dtype));
  attributes.set("is_sequence", static_cast<int64_t>(element->is_sequence));
  return node.emit_result("Optional", {}, std::move(attributes));
}

// Only an optional can be empty.
Status import_has_element(NodeImporter& node) {
  if (node.input(0) != nullptr && node.input(0)->dtype == DataType::kOptional) {
    return node.emit_result("OptionalHasElement", {node.input(0)});
  }
  node.alias(0, node.bool_constant(node.input(0) != nullptr));
  return Status::ok();
}

Status import_get_element(NodeImporter& node) {
  if (node.input(0)->dtype == DataType::kOptional) {
    return node.emit_result("OptionalGetElement", {node.input(0)});
  }
  node.alias(0, node.input(0));
  return Status::ok();
}

constexpr Rule kRules[] = {
    {"ConcatFromSequence", 11, {1, 1}, 1, "axis:i new_axis:i", import_concat},
    {"Optional", 15, {0, 1}, 1, "type:p", import_optional},
    {"OptionalGetElement", 15, {1, 1}, 1, "", import_get_element},
    {"OptionalHasElement", 15, {0, 1}, 1, "", import_has_element},
    {"SequenceAt", 11, {2, 2}, 1, "", import_at},
    {"SequenceConstruct", 11, {1, Arity::kAny}},
    {"SequenceEmpty", 11, {0, 0}, 1, "dtype:i", import_empty},
    {"SequenceErase", 11, {1, 2}},
    {"SequenceInsert", 11, {2, 3}},
    {"SequenceLength", 11, {1, 1}, 1, "", import_length},
    {"SequenceMap", 17, {1, Arity::kAny}, Arity::kAny, "body:g", import_map},
    {"SplitToSequence", 11, {1, 2}, 1, "axis:i keepdims:i", import_split},
};

}  // namespace

RuleList sequence_rules() { return kRules; }

}  // namespace penstock::importer
