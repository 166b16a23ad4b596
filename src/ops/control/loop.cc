// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Loop: inputs (trip count?, condition?, carried...); regions[0] takes (iteration, condition,
// carried...) and gives (condition, carried..., scan...); outputs (carried..., scan...).
#include <limits>

#include "ops/control/control.h"
#include "ops/control/iteration.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

size_t carried_count(size_t inputs) { return inputs > 2 ? inputs - 2 : 0; }

// True where the body's condition says "go on" whatever happens.
bool always_continues(const ir::Region& body) {
  const ir::Value* condition = body.outputs[0];
  if (condition == body.inputs[1]) return true;
  return condition->contents && condition->contents->size() == 1 &&
         (*condition->contents)[0].is_constant(1);
}

// The number of runs of the body, where extents tell it.
ir::Dim trip_count(InferContext& context, const ir::Region& body) {
  const std::vector<ir::Dim>* trips = context.contents(0);
  const std::vector<ir::Dim>* condition = context.contents(1);
  const bool starts = !context.has_input(1) || (condition != nullptr && condition->size() == 1 &&
                                                (*condition)[0].is_constant(1));
  if (trips == nullptr || trips->size() != 1 || !starts || !always_continues(body)) {
    return context.fresh_symbol();
  }
  return ir::Dim::max((*trips)[0], 0);
}

Status infer_loop(InferContext& context) {
  const size_t carried = carried_count(context.input_count());
  const size_t outputs = context.node().outputs.size();
  if (context.node().regions.size() != 1) return context.error("needs one body");
  const ir::Region& body = *context.node().regions[0];
  if (body.inputs.size() != carried + 2 || body.outputs.size() != outputs + 1 ||
      outputs < carried) {
    return context.error("a body of " + std::to_string(body.inputs.size()) + " inputs and " +
                         std::to_string(body.outputs.size()) + " outputs does not fit " +
                         std::to_string(carried) + " carried values and " +
                         std::to_string(outputs) + " outputs");
  }
  for (size_t i = 0; i < carried; ++i) {
    if (!context.has_input(i + 2)) return context.error("a carried value is missing");
    const ir::Value& out = *body.outputs[i + 1];
    if (out.element || context.element(i + 2) != nullptr) {
      PENSTOCK_ASSIGN_OR_RETURN(ir::ElementType element,
                                carried_element(context.element(i + 2), out));
      context.set_handle(i, out.dtype, std::move(element));
      continue;
    }
    PENSTOCK_ASSIGN_OR_RETURN(
        ir::SymbolicShape shape,
        carried_shape(context, context.shape(i + 2), body.inputs[i + 2]->shape, out.shape));
    context.set_output(i, out.dtype, std::move(shape));
  }
  for (size_t i = carried; i < outputs; ++i) {
    const ir::Value& out = *body.outputs[i + 1];
    if (out.element) return context.error("a scan output must be a tensor");
    ir::SymbolicShape shape = outside_shape(context, out.shape);
    shape.insert(shape.begin(), trip_count(context, body));
    context.set_output(i, out.dtype, std::move(shape));
  }
  return Status::ok();
}

Status reference_loop(const NodeFacts& node, KernelRun& run) {
  const size_t carried = carried_count(run.input_count());
  int64_t trips = std::numeric_limits<int64_t>::max();
  if (run.has_input(0)) {
    const std::vector<int64_t> given = read_int64s(run.input(0));
    if (given.size() != 1) return {StatusCode::kInvalidArgument, "Loop: no trip count"};
    trips = given[0];
  }
  bool condition = true;
  if (run.has_input(1)) {
    const std::vector<int64_t> given = read_int64s(run.input(1));
    if (given.size() != 1) return {StatusCode::kInvalidArgument, "Loop: no condition"};
    condition = given[0] != 0;
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<CarriedTensor> values,
                            carried_inputs(run, 2, run.input_count()));
  std::vector<StackedTensor> stacks;
  for (size_t i = carried; i < run.output_count(); ++i) stacks.emplace_back(run);

  const Shape scalar;
  std::vector<TensorView> results;
  for (int64_t iteration = 0; iteration < trips && condition; ++iteration) {
    std::vector<TensorView> arguments = {
        {DataType::kInt64, ir::Layout::kPlain, &scalar, &iteration},
        {DataType::kBool, ir::Layout::kPlain, &scalar, &condition}};
    for (CarriedTensor& value : values) arguments.push_back(value.view());
    PENSTOCK_RETURN_IF_ERROR(run.run_region(0, arguments, results));
    const std::vector<int64_t> goes_on = read_int64s(results[0]);
    for (size_t i = 0; i < stacks.size(); ++i) {
      PENSTOCK_RETURN_IF_ERROR(stacks[i].append(results[i + 1 + carried]));
    }
    PENSTOCK_RETURN_IF_ERROR(carry(run, results, 1, values));
    condition = goes_on.size() == 1 && goes_on[0] != 0;
  }
  for (size_t i = 0; i < carried; ++i) {
    PENSTOCK_RETURN_IF_ERROR(copy_to_output(run, i, values[i].view()));
  }
  for (size_t i = 0; i < stacks.size(); ++i) {
    const size_t output = carried + i;
    PENSTOCK_RETURN_IF_ERROR(stacks[i].write(run, output, 0, false, node.outputs[output].shape));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kLoop = {.name = "Loop",
                            .min_inputs = 0,
                            .max_inputs = -1,
                            .outputs = -1,
                            .infer = infer_loop,
                            .reference = reference_loop,
                            .takes_handles = true};

}  // namespace penstock::ops
