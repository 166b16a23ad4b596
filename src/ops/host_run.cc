// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/host_run.h"

#include <new>

#include "backends/cpu/cpu_stream.h"
#include "ir/storage.h"
#include "ops/op_definition.h"

namespace penstock::ops {

using backends::NodeFacts;
using backends::Operand;
using backends::TensorView;

HostTensor HostTensor::zeros(DataType dtype, Shape shape) {
  HostTensor tensor{dtype, shape, nullptr};
  tensor.storage = ir::make_constant(dtype, std::move(shape), nullptr);
  return tensor;
}

HostRun::HostRun(const NodeFacts& node, std::vector<const void*> inputs, backends::Stream& stream)
    : node_(node), outputs_(node.outputs.size()), stream_(stream) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Operand& operand = node.inputs[i];
    inputs_.push_back({operand.dtype, operand.layout, &operand.shape,
                       const_cast<void*>(i < inputs.size() ? inputs[i] : nullptr)});
  }
}

HostRun::~HostRun() = default;

Result<TensorView> HostRun::output(size_t i, const Shape& shape) {
  const Operand& operand = node_.outputs[i];
  HostTensor& tensor = outputs_[i];
  if (tensor.storage == nullptr || tensor.shape != shape) {
    PENSTOCK_RETURN_IF_ERROR(ir::check_storage(operand.dtype, shape));
    tensor.dtype = operand.dtype;
    if (!is_plain(operand.dtype)) tensor.objects = objects_;
    tensor.shape = shape;
    Shape flat = {static_cast<int64_t>(ir::storage_bytes(operand.dtype, shape, operand.layout))};
    try {
      tensor.storage = ir::make_constant(DataType::kUInt8, std::move(flat), nullptr);
    } catch (const std::bad_alloc&) {
      return Status(StatusCode::kOutOfMemory,
                    "no memory for a tensor of shape " + to_string(shape));
    }
  }
  return TensorView{operand.dtype, operand.layout, &tensor.shape, tensor.data()};
}

Status HostRun::run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) {
  return {StatusCode::kUnsupported,
          node_.op + " '" + node_.name + "' needs an engine to run its body"};
}

Status HostRun::execute(const backends::Kernel& kernel) {
  if (prepared_ != &kernel) {
    prepared_ = &kernel;
    state_ = kernel.create_state();
    workspace_.reset();
    if (kernel.workspace_bytes() > 0) {
      workspace_ = std::make_unique<HostTensor>(
          HostTensor::zeros(DataType::kUInt8, {static_cast<int64_t>(kernel.workspace_bytes())}));
    }
  }
  return kernel.run(*this);
}

Result<std::vector<HostTensor>> run_reference(const std::string& op,
                                              const ir::Attributes& attributes,
                                              const std::vector<const HostTensor*>& inputs,
                                              const std::vector<DataType>& output_types) {
  const OpDefinition* definition = find_op(op);
  if (definition == nullptr || definition->reference == nullptr) {
    return Status(StatusCode::kUnsupported, "no reference kernel for operator " + op);
  }
  NodeFacts node;
  node.op = op;
  node.name = op;
  node.attributes = attributes;
  std::vector<const void*> data;
  for (const HostTensor* input : inputs) {
    Operand operand;
    if (input != nullptr) {
      operand = {true, input->dtype, ir::Layout::kPlain, input->shape, input->data(), 0, ""};
    }
    node.inputs.push_back(operand);
    data.push_back(input == nullptr ? nullptr : input->data());
  }
  for (DataType type : output_types) {
    node.outputs.push_back(
        {type != DataType::kUndefined, type, ir::Layout::kPlain, {}, nullptr, 0, ""});
  }
  backends::CpuStream stream(1);
  HostRun run(node, std::move(data), stream);
  PENSTOCK_RETURN_IF_ERROR(definition->reference(node, run));
  std::vector<HostTensor> results;
  for (size_t i = 0; i < output_types.size(); ++i) results.push_back(run.result(i));
  return results;
}

}  // namespace penstock::ops
