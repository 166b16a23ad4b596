// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/host_run.h"
#include "ops/op_definition.h"
#include "passes/pass.h"
#include "passes/rewriter.h"

namespace penstock::passes {
namespace {

// Folding must not turn a small plan into a large one: results beyond this stay computed unless
// their inputs were as large.
constexpr size_t kMostFoldedBytes = size_t{64} << 20;

bool has_known_attributes(const ir::Node& node) {
  for (const auto& [name, value] : node.attributes.all()) {
    const auto* extents = std::get_if<ir::SymbolicShape>(&value);
    if (extents != nullptr && !ir::is_constant(*extents)) return false;
  }
  return true;
}

// Weights quantized in the model stay so until quantized_products has taken what it can: it wants
// them in 8 bits.
bool is_quantized_weight(const ir::Node& node) {
  return node.op == "DequantizeLinear" && node.inputs[0]->dtype != DataType::kInt32;
}

// A Copy gives an output memory of its own.
bool may_fold(const ir::Node& node) {
  const ops::OpDefinition* definition = ops::find_op(node.op);
  if (definition == nullptr || definition->reference == nullptr || definition->is_stateful ||
      !node.regions.empty() || node.op == "Copy") {
    return false;
  }
  size_t input_bytes = 0;
  for (const ir::Value* input : node.inputs) {
    if (input == nullptr) continue;
    if (!input->is_constant() || !is_plain(input->dtype)) return false;
    input_bytes += input->constant->bytes;
  }
  size_t output_bytes = 0;
  for (const ir::Value* output : node.outputs) {
    if (output == nullptr) continue;
    if (!is_plain(output->dtype)) return false;
    if (!ir::is_constant(output->shape)) continue;
    output_bytes +=
        static_cast<size_t>(ir::element_count(output->shape).constant()) * size_of(output->dtype);
  }
  return output_bytes <= std::max(kMostFoldedBytes, input_bytes) && has_known_attributes(node);
}

Result<std::vector<ops::HostTensor>> run(const ir::Node& node) {
  std::vector<ops::HostTensor> tensors;
  tensors.reserve(node.inputs.size());
  std::vector<const ops::HostTensor*> inputs;
  for (const ir::Value* input : node.inputs) {
    if (input == nullptr) {
      inputs.push_back(nullptr);
      continue;
    }
    tensors.push_back({input->dtype, input->constant->shape, input->constant});
    inputs.push_back(&tensors.back());
  }
  std::vector<DataType> types;
  for (const ir::Value* output : node.outputs) {
    types.push_back(output == nullptr ? DataType::kUndefined : output->dtype);
  }
  const ir::Attributes attributes =
      node.attributes.resolved([](std::string_view) { return int64_t{0}; });
  return ops::run_reference(node.op, attributes, inputs, types);
}

// Integers that inference knows although the node has inputs that are not constant: the extent of a
// fixed axis, for one.
void replace_known_contents(Rewriter& rewriter, ir::Node& node) {
  const std::vector<ir::Value*> outputs = node.outputs;
  for (ir::Value* output : outputs) {
    if (output == nullptr || !output->contents || !ir::is_constant(output->shape)) continue;
    if (!ir::is_constant(*output->contents)) continue;
    std::vector<int64_t> elements;
    for (const ir::Dim& extent : *output->contents) elements.push_back(extent.constant());
    Shape shape;
    for (const ir::Dim& extent : output->shape) shape.push_back(extent.constant());
    if (static_cast<int64_t>(elements.size()) != element_count(shape)) continue;
    ir::ConstantRef constant = ir::constant_of(output->dtype, shape, elements);
    if (constant == nullptr) continue;
    rewriter.replace_or_copy(
        output, rewriter.graph().add_constant(output->name, std::move(constant)), node);
    if (!rewriter.is_alive(&node)) return;
  }
}

Status fold(Rewriter& rewriter, ir::Node& node) {
  Result<std::vector<ops::HostTensor>> results = run(node);
  if (!results.is_ok()) {
    return results.status().with_context("node '" + node.name + "' (" + node.op + ")");
  }
  const std::vector<ir::Value*> outputs = node.outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == nullptr) continue;
    const ops::HostTensor& tensor = (*results)[i];
    auto constant = std::make_shared<ir::Constant>(*tensor.storage);
    constant->dtype = tensor.dtype;
    constant->shape = tensor.shape;
    rewriter.replace_or_copy(
        outputs[i], rewriter.graph().add_constant(outputs[i]->name, std::move(constant)), node);
  }
  return Status::ok();
}

}  // namespace

// Runs the reference kernel of every node whose inputs are constants.
Status constant_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  for (ir::Node* node : rewriter.nodes()) {
    if (!rewriter.is_alive(node)) continue;
    if (node->op != "Copy") replace_known_contents(rewriter, *node);
    if (!rewriter.is_alive(node) || is_quantized_weight(*node) || !may_fold(*node)) continue;
    PENSTOCK_RETURN_IF_ERROR(fold(rewriter, *node));
  }
  return rewriter.finish();
}

// The same of weights in 8 bits and fewer that no product took as they are.
Status dequantized_constants(ir::Graph& graph) {
  Rewriter rewriter(graph);
  for (ir::Node* node : rewriter.nodes()) {
    if (!rewriter.is_alive(node) || !is_quantized_weight(*node) || !may_fold(*node)) continue;
    PENSTOCK_RETURN_IF_ERROR(fold(rewriter, *node));
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
