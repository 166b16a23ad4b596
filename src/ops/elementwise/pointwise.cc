// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/elementwise/broadcast.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/infer.h"
#include "ops/elementwise/pointwise_program.h"
#include "ops/epilogue.h"
#include "ops/host_run.h"

namespace penstock::ops {
namespace {

using Kind = PointwiseArgument::Kind;

bool is_byte(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

Status infer_pointwise(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const PointwiseProgram program,
                            parse_pointwise(context.attributes().get_string("program")));
  if (program.input_count() > static_cast<int>(context.input_count())) {
    return context.error("the program names input i" + std::to_string(program.input_count() - 1) +
                         " of " + std::to_string(context.input_count()));
  }
  DataType type = DataType::kUndefined;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) return context.error("input " + std::to_string(i) + " is missing");
    const DataType dtype = context.dtype(i);
    if (dtype == DataType::kBool || is_byte(dtype)) continue;
    if (type == DataType::kUndefined) type = dtype;
    const bool is_float =
        dtype == DataType::kFloat32 || dtype == DataType::kFloat16 || dtype == DataType::kBFloat16;
    if (!is_float || (dtype != type && !context.attributes().has("output_dtype"))) {
      return context.error("input " + std::to_string(i) + " is " + std::string(to_string(dtype)) +
                           ", but all must be bool, int8, uint8 or of one type among "
                           "float32, float16 and bfloat16, or output_dtype tell the result's");
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, broadcast_inputs(context));
  if (type == DataType::kUndefined) type = DataType::kFloat32;
  context.set_output(0,
                     static_cast<DataType>(
                         context.attributes().get_int("output_dtype", static_cast<int64_t>(type))),
                     std::move(shape));
  return Status::ok();
}

// The tensor with other elements: float from bool as 0 and 1, bool from float as not 0.
HostTensor converted(const HostTensor& x, DataType to) {
  if (x.dtype == to) return x;
  HostTensor y = HostTensor::zeros(to, x.shape);
  const int64_t n = element_count(x.shape);
  for (int64_t i = 0; i < n; ++i) {
    if (to == DataType::kBool) {
      static_cast<bool*>(y.data())[i] = static_cast<const float*>(x.data())[i] != 0;
    } else {
      static_cast<float*>(y.data())[i] =
          static_cast<const uint8_t*>(x.data())[i] != 0 ? 1.0f : 0.0f;
    }
  }
  return y;
}

// In float32, which is what the expression is computed in, or bool.
Result<HostTensor> copy_of(const backends::TensorView& view) {
  if (view.dtype == DataType::kBool || view.dtype == DataType::kFloat32) {
    HostTensor tensor{view.dtype, *view.shape, nullptr};
    tensor.storage = ir::make_constant(view.dtype, *view.shape, view.data);
    return tensor;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> elements, read_doubles(view));
  HostTensor tensor = HostTensor::zeros(DataType::kFloat32, *view.shape);
  std::transform(elements.begin(), elements.end(), static_cast<float*>(tensor.data()),
                 [](double x) { return static_cast<float>(x); });
  return tensor;
}

// Runs the reference kernel of the core operator that the call stands for.
Result<HostTensor> run_call(const PointwiseCall& call, const std::vector<HostTensor>& inputs,
                            const std::vector<HostTensor>& results) {
  std::vector<HostTensor> operands;
  for (const PointwiseArgument& argument : call.operands) {
    HostTensor operand;
    if (argument.kind == Kind::kLiteral) {
      operand = HostTensor::zeros(DataType::kFloat32, {});
      *static_cast<float*>(operand.data()) = argument.value;
    } else {
      operand = argument.kind == Kind::kInput ? inputs[argument.index] : results[argument.index];
    }
    const bool is_bool = static_cast<int>(operands.size()) < call.function->bool_operands;
    operands.push_back(converted(operand, is_bool ? DataType::kBool : DataType::kFloat32));
  }
  std::vector<const HostTensor*> pointers;
  for (const HostTensor& operand : operands) pointers.push_back(&operand);
  const DataType type = call.function->gives_bool ? DataType::kBool : DataType::kFloat32;
  PENSTOCK_ASSIGN_OR_RETURN(
      std::vector<HostTensor> outputs,
      run_reference(std::string(call.function->op), call.attributes(), pointers, {type}));
  return converted(outputs[0], DataType::kFloat32);
}

Status pointwise_reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const PointwiseProgram program,
                            parse_pointwise(node.attributes.get_string("program")));
  Shape shape;
  std::vector<HostTensor> inputs;
  for (size_t i = 0; i < run.input_count(); ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(shape, broadcast_shapes(shape, *run.input(i).shape));
    PENSTOCK_ASSIGN_OR_RETURN(HostTensor input, copy_of(run.input(i)));
    inputs.push_back(std::move(input));
  }
  std::vector<HostTensor> results;
  for (const PointwiseCall& call : program.calls) {
    PENSTOCK_ASSIGN_OR_RETURN(HostTensor result, run_call(call, inputs, results));
    results.push_back(std::move(result));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const HostTensor& last = results.back();
  const BroadcastLoop loop = broadcast_loop(shape, {&last.shape, &last.shape});
  const auto* values = static_cast<const float*>(last.data());
  std::vector<double> elements(static_cast<size_t>(element_count(shape)));
  map_binary(loop, values, values, elements.data(), [](float x, float) { return x; });
  return write_doubles(elements, y);
}

}  // namespace

const OpDefinition& pointwise_op() {
  static const OpDefinition kOp = {.name = "Pointwise",
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .infer = infer_pointwise,
                                   .reference = pointwise_reference};
  return kOp;
}

}  // namespace penstock::ops
