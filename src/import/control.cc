// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/emitter.h"
#include "import/node_importer.h"
#include "import/rules.h"
#include "ops/op_definition.h"

namespace penstock::importer {
namespace {

Result<const onnx::GraphProto*> subgraph(NodeImporter& node, std::string_view attribute) {
  const onnx::GraphProto* graph = node.subgraph(attribute);
  if (graph == nullptr) return node.invalid("subgraph '" + std::string(attribute) + "' is missing");
  return graph;
}

Status check_outputs(NodeImporter& node, const onnx::GraphProto& body, size_t wanted) {
  if (static_cast<size_t>(body.output_size()) == wanted) return Status::ok();
  return node.invalid("its subgraph '" + body.name() + "' has " +
                      std::to_string(body.output_size()) + " outputs, not " +
                      std::to_string(wanted));
}

// A condition that shapes decide is settled here: its branches may differ in rank.
Status import_if(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const onnx::GraphProto* then_branch, subgraph(node, "then_branch"));
  PENSTOCK_ASSIGN_OR_RETURN(const onnx::GraphProto* else_branch, subgraph(node, "else_branch"));
  PENSTOCK_RETURN_IF_ERROR(check_outputs(node, *then_branch, node.output_count()));
  PENSTOCK_RETURN_IF_ERROR(check_outputs(node, *else_branch, node.output_count()));
  const auto& known = node.input(0)->contents;
  if (known && known->size() == 1 && known->front().is_constant()) {
    return node.inline_body(known->front().is_constant(0) ? *else_branch : *then_branch);
  }
  ir::Node result;
  result.op = "If";
  result.inputs = {node.input(0)};
  for (const onnx::GraphProto* branch : {then_branch, else_branch}) {
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region, node.import_body(*branch, {}));
    result.regions.push_back(std::move(region));
  }
  return node.emit_result(std::move(result));
}

// The same for what a carried sequence or optional holds.
Result<bool> widen_element(NodeImporter& node, BodyInput& in, const ir::Value& out) {
  // A sequence may take the place of an optional one: both are handles of one kind.
  const bool same_kind = in.dtype == out.dtype || (in.element && in.element->is_sequence &&
                                                   out.dtype == DataType::kSequence);
  if (!same_kind || !in.element || !out.element || in.element->dtype != out.element->dtype) {
    return node.unsupported("the value it carries as '" + out.name + "' goes from " +
                            std::string(to_string(in.dtype)) + " to " + ir::type_text(out));
  }
  ir::ElementType given = *out.element;
  given.is_sequence = in.element->is_sequence;
  ir::ElementType joined = ir::join(*in.element, given);
  if (joined == *in.element) return false;
  in.element = std::move(joined);
  return true;
}

// Turns extents of `in` that an iteration changes into symbols of their own; true if it did.
Result<bool> widen(NodeImporter& node, BodyInput& in, const ir::Value& out) {
  if (in.element || out.element) return widen_element(node, in, out);
  if (in.dtype != out.dtype || in.shape.size() != out.shape.size()) {
    return node.unsupported("the value it carries as '" + out.name + "' goes from " +
                            std::string(to_string(in.dtype)) + ir::to_string(in.shape) + " to " +
                            std::string(to_string(out.dtype)) + ir::to_string(out.shape));
  }
  bool is_changed = false;
  for (size_t i = 0; i < in.shape.size(); ++i) {
    if (in.shape[i] == out.shape[i] || in.is_widened[i]) continue;
    in.shape[i] = node.graph().fresh_symbol();
    in.is_widened[i] = true;
    is_changed = true;
  }
  return is_changed;
}

// Imports the body until the shapes of what it carries hold for every iteration. Carried values are
// inputs [in, in + count) and outputs [out, out + count) of the body.
Result<std::unique_ptr<ir::Region>> import_loop_body(NodeImporter& node,
                                                     const onnx::GraphProto& body,
                                                     std::vector<BodyInput> inputs, size_t in,
                                                     size_t out, size_t count) {
  for (BodyInput& input : inputs) input.is_widened.assign(input.shape.size(), false);
  while (true) {
    const int nodes_before = node.graph().onnx_node_count;
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region, node.import_body(body, inputs));
    bool is_changed = false;
    for (size_t i = 0; i < count; ++i) {
      PENSTOCK_ASSIGN_OR_RETURN(const bool is_wider,
                                widen(node, inputs[in + i], *region->outputs[out + i]));
      is_changed = is_changed || is_wider;
    }
    if (!is_changed) return region;
    node.graph().onnx_node_count = nodes_before;
  }
}

Status emit_loop(NodeImporter& node, std::unique_ptr<ir::Region> region,
                 std::vector<ir::Value*> inputs) {
  ir::Node result;
  result.op = node.rule().op;
  result.inputs = std::move(inputs);
  result.attributes = node.attributes();
  result.regions.push_back(std::move(region));
  return node.emit_result(std::move(result));
}

Status import_loop(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const onnx::GraphProto* body, subgraph(node, "body"));
  std::vector<ir::Value*> inputs = node.inputs();
  if (inputs.size() < 2) inputs.resize(2, nullptr);
  const size_t carried = inputs.size() - 2;
  PENSTOCK_RETURN_IF_ERROR(check_outputs(node, *body, node.output_count() + 1));
  if (node.output_count() < carried) return node.invalid("has fewer outputs than carried values");
  std::vector<BodyInput> body_inputs = {{DataType::kInt64, {}}, {DataType::kBool, {}}};
  for (size_t i = 2; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) return node.invalid("input " + std::to_string(i) + " is missing");
    body_inputs.push_back({inputs[i]->dtype, inputs[i]->shape, inputs[i]->element});
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region,
                            import_loop_body(node, *body, std::move(body_inputs), 2, 1, carried));
  return emit_loop(node, std::move(region), std::move(inputs));
}

Status import_scan(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const onnx::GraphProto* body, subgraph(node, "body"));
  const int64_t scanned = node.attributes().get_int("num_scan_inputs");
  const auto count = static_cast<int64_t>(node.inputs().size());
  if (scanned < 1 || scanned > count) {
    return node.invalid("num_scan_inputs " + std::to_string(scanned) + " does not fit its " +
                        std::to_string(count) + " inputs");
  }
  const auto states = static_cast<size_t>(count - scanned);
  PENSTOCK_RETURN_IF_ERROR(check_outputs(node, *body, node.output_count()));
  if (node.output_count() < states) return node.invalid("has fewer outputs than states");
  std::vector<int64_t> axes = node.attributes().get_ints("scan_input_axes");
  axes.resize(static_cast<size_t>(scanned), 0);
  std::vector<BodyInput> body_inputs;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const ir::Value* input = node.input(i);
    if (input == nullptr) return node.invalid("input " + std::to_string(i) + " is missing");
    body_inputs.push_back({input->dtype, input->shape, input->element});
    if (i < states) continue;
    if (input->element) return node.invalid("input " + std::to_string(i) + " is no tensor");
    ir::SymbolicShape& slice = body_inputs.back().shape;
    Result<int64_t> axis =
        ops::InferContext::normalize_axis(axes[i - states], static_cast<int64_t>(slice.size()));
    if (!axis.is_ok()) return node.invalid(axis.status().message());
    slice.erase(slice.begin() + *axis);
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region,
                            import_loop_body(node, *body, std::move(body_inputs), 0, 0, states));
  return emit_loop(node, std::move(region), node.inputs());
}

// The slices that a scan along `axis` gives to its body.
Result<BodyInput> slice_of(NodeImporter& node, size_t i, int64_t axis) {
  const ir::Value* input = node.input(i);
  if (input == nullptr) return node.invalid("input " + std::to_string(i) + " is missing");
  if (input->element) return node.invalid("input " + std::to_string(i) + " is no tensor");
  const auto rank = static_cast<int64_t>(input->shape.size());
  if (rank <= axis) return node.invalid("input " + std::to_string(i) + " is a scalar");
  BodyInput slice{input->dtype, input->shape};
  slice.shape.erase(slice.shape.begin() + axis);
  return slice;
}

// A node with one output, at the end of `region`.
Result<ir::Value*> append(NodeImporter& node, ir::Region& region, std::string_view op,
                          std::vector<ir::Value*> inputs) {
  ir::Node made;
  made.op = op;
  made.name = node.name() + "/" + std::string(op);
  made.origins = {node.name()};
  made.inputs = std::move(inputs);
  made.outputs = {node.graph().add_value(made.name, DataType::kUndefined, {})};
  ir::Node& appended = *node.graph().append(region, std::move(made));
  PENSTOCK_RETURN_IF_ERROR(ops::infer_node(node.graph(), appended));
  return appended.outputs[0];
}

// Beyond the length of its sequence, a step keeps the states and gives zeros. The body gets one
// more scanned input, its position.
Status stop_at_length(NodeImporter& node, ir::Region& body, size_t states, ir::Value* length) {
  ir::Value* position = node.graph().add_value(node.name() + "/position", DataType::kInt64, {});
  body.inputs.push_back(position);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * goes_on, append(node, body, "Less", {position, length}));
  for (size_t i = 0; i < body.outputs.size(); ++i) {
    const DataType dtype = body.outputs[i]->dtype;
    if (body.outputs[i]->element || dtype == DataType::kString) {
      return node.unsupported("sequence lengths with a body that gives '" + body.outputs[i]->name +
                              "' of type " + ir::type_text(*body.outputs[i]));
    }
    ir::Value* otherwise = i < states ? body.inputs[i]
                                      : node.graph().add_constant(
                                            node.name() + "/zero",
                                            ir::constant_of(dtype, {}, std::vector<double>{0.0}));
    PENSTOCK_ASSIGN_OR_RETURN(body.outputs[i],
                              append(node, body, "Where", {goes_on, body.outputs[i], otherwise}));
  }
  return Status::ok();
}

// What opset 8's inner scan takes so that each row ends at its own length: `lengths` becomes the
// last input of the scan over the batch, whose region is `batch`. A sequence taken backwards begins
// at its own end.
Status add_lengths(NodeImporter& node, ir::Region& batch, ir::Node& inner, ir::Region& body,
                   size_t states) {
  const ir::Value* lengths = node.input(0);
  if (lengths->dtype != DataType::kInt64 || lengths->shape.size() != 1) {
    return node.invalid("sequence_lens is " + ir::type_text(*lengths) + ", not int64[batch]");
  }
  ir::Value* length = node.graph().add_value(node.name() + "/length", DataType::kInt64, {});
  batch.inputs.push_back(length);
  Emitter emit(node);
  ir::Value* positions = emit.range(node.input(1 + states)->shape[1]);
  ir::Value* one = emit.extent(1);
  ir::Value* zero = emit.extent(0);
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  const std::vector<int64_t> directions = node.attributes().get_ints("directions");
  for (size_t i = 0; i < directions.size() && states + i < inner.inputs.size(); ++i) {
    if (directions[i] == 0) continue;
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * last, append(node, batch, "Sub", {length, one}));
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * back, append(node, batch, "Sub", {last, positions}));
    PENSTOCK_ASSIGN_OR_RETURN(ir::Value * at, append(node, batch, "Max", {back, zero}));
    ir::Value*& input = inner.inputs[states + i];
    PENSTOCK_ASSIGN_OR_RETURN(input, append(node, batch, "Gather", {input, at}));
  }
  inner.inputs.push_back(positions);
  return stop_at_length(node, body, states, length);
}

// In opset 8 every input and output has a batch axis in front: one scan over the batch, and in its
// body one over the sequence.
Status import_scan_8(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const onnx::GraphProto* body, subgraph(node, "body"));
  const int64_t scanned = node.attributes().get_int("num_scan_inputs");
  const auto count = static_cast<int64_t>(node.inputs().size()) - 1;
  if (scanned < 1 || scanned > count) {
    return node.invalid("num_scan_inputs " + std::to_string(scanned) + " does not fit its " +
                        std::to_string(count) + " inputs");
  }
  const auto states = static_cast<size_t>(count - scanned);
  PENSTOCK_RETURN_IF_ERROR(check_outputs(node, *body, node.output_count()));
  if (node.output_count() < states) return node.invalid("has fewer outputs than states");

  auto batch = std::make_unique<ir::Region>();
  ir::Node inner;
  std::vector<BodyInput> body_inputs;
  for (size_t i = 1; i < node.inputs().size(); ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(BodyInput slice, slice_of(node, i, 0));
    ir::Value* value = node.graph().add_value(node.name() + "/slice", slice.dtype, slice.shape);
    batch->inputs.push_back(value);
    inner.inputs.push_back(value);
    if (i > states) {
      if (slice.shape.empty()) return node.invalid("a scanned input has no sequence axis");
      slice.shape.erase(slice.shape.begin());
    }
    body_inputs.push_back(std::move(slice));
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ir::Region> region,
                            import_loop_body(node, *body, std::move(body_inputs), 0, 0, states));
  inner.op = "Scan";
  inner.name = node.name() + "/sequence";
  inner.origins = {node.name()};
  const bool has_lengths = node.input(0) != nullptr;
  if (has_lengths) {
    PENSTOCK_RETURN_IF_ERROR(add_lengths(node, *batch, inner, *region, states));
  } else {
    inner.attributes.set("scan_input_directions", node.attributes().get_ints("directions"));
  }
  inner.attributes.set("num_scan_inputs", scanned + (has_lengths ? 1 : 0));
  inner.regions.push_back(std::move(region));
  for (size_t i = 0; i < node.output_count(); ++i) {
    inner.outputs.push_back(node.graph().add_value(inner.name, DataType::kUndefined, {}));
  }
  batch->outputs = inner.outputs;
  PENSTOCK_RETURN_IF_ERROR(
      ops::infer_node(node.graph(), *node.graph().append(*batch, std::move(inner))));

  ir::Node result;
  result.op = "Scan";
  result.inputs.assign(node.inputs().begin() + 1, node.inputs().end());
  if (has_lengths) result.inputs.push_back(node.input(0));
  result.attributes.set("num_scan_inputs", count + (has_lengths ? 1 : 0));
  result.regions.push_back(std::move(batch));
  return node.emit_result(std::move(result));
}

constexpr Rule kRules[] = {
    {"If", 1, {1, 1}, Arity::kAny, "then_branch:g else_branch:g", import_if},
    {"Loop", 1, {0, Arity::kAny}, Arity::kAny, "body:g", import_loop},
    {"Scan",
     8,
     {0, Arity::kAny},
     Arity::kAny,
     "body:g num_scan_inputs:i directions:I",
     import_scan_8},
    {"Scan",
     9,
     {1, Arity::kAny},
     Arity::kAny,
     "body:g num_scan_inputs:i scan_input_axes:I scan_input_directions:I scan_output_axes:I "
     "scan_output_directions:I",
     import_scan},
};

}  // namespace

RuleList control_rules() { return kRules; }

}  // namespace penstock::importer
