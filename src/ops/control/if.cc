// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// If: regions[0] is the then-branch, regions[1] the else-branch. They have no inputs: values from
// outside are used directly.
#include <cstring>

#include "ops/control/control.h"
#include "ops/reference_util.h"

namespace penstock::ops {

ValueFacts region_output(const ir::Region& region, size_t i) {
  const ir::Value& value = *region.outputs[i];
  return {value.dtype, value.shape, value.contents, value.constant.get(), value.element};
}

Status copy_to_output(backends::KernelRun& run, size_t i, const backends::TensorView& from) {
  if (!run.has_output(i)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView to, run.output(i, *from.shape));
  const size_t bytes = static_cast<size_t>(from.count()) * size_of(from.dtype);
  if (bytes > 0 && to.data != from.data) std::memcpy(to.data, from.data, bytes);
  return Status::ok();
}

namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// 1 or 0 where the condition is known at build time.
std::optional<bool> known_condition(const InferContext& context) {
  const auto condition = context.dims_parameter("cond", 0);
  if (!condition || condition->size() != 1 || !(*condition)[0].is_constant()) return std::nullopt;
  return (*condition)[0].constant() != 0;
}

Status merge_elements(InferContext& context, size_t i, const ValueFacts& a, const ValueFacts& b) {
  if (a.element->dtype != b.element->dtype || a.element->is_sequence != b.element->is_sequence) {
    return context.error("output " + std::to_string(i) + " holds " + ir::to_string(*a.element) +
                         " in one branch and " + ir::to_string(*b.element) + " in the other");
  }
  context.set_handle(i, a.dtype, ir::join(*a.element, *b.element));
  return Status::ok();
}

Status infer_if(InferContext& context) {
  const auto& regions = context.node().regions;
  const size_t outputs = context.node().outputs.size();
  if (regions.size() != 2 || regions[0]->outputs.size() != outputs ||
      regions[1]->outputs.size() != outputs) {
    return context.error("both branches must have " + std::to_string(outputs) + " outputs");
  }
  const std::optional<bool> condition = known_condition(context);
  for (size_t i = 0; i < outputs; ++i) {
    const ValueFacts then_facts = region_output(*regions[0], i);
    const ValueFacts else_facts = region_output(*regions[1], i);
    if (condition) {
      const ValueFacts& taken = *condition ? then_facts : else_facts;
      context.set_output(i, taken.dtype, taken.shape);
      if (taken.element) context.set_handle(i, taken.dtype, *taken.element);
      if (taken.contents) context.set_contents(i, *taken.contents);
      continue;
    }
    if (then_facts.dtype != else_facts.dtype) {
      return context.error("output " + std::to_string(i) + " is " +
                           std::string(to_string(then_facts.dtype)) + " in one branch and " +
                           std::string(to_string(else_facts.dtype)) + " in the other");
    }
    if (then_facts.element && else_facts.element) {
      PENSTOCK_RETURN_IF_ERROR(merge_elements(context, i, then_facts, else_facts));
      continue;
    }
    if (then_facts.shape.size() != else_facts.shape.size()) {
      return {StatusCode::kUnsupported,
              "output " + std::to_string(i) + " has shape " + ir::to_string(then_facts.shape) +
                  " in one branch and " + ir::to_string(else_facts.shape) +
                  " in the other: branches may differ in rank only where the condition is known"};
    }
    ir::SymbolicShape shape = then_facts.shape;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (!(shape[axis] == else_facts.shape[axis])) shape[axis] = context.fresh_symbol();
    }
    context.set_output(i, then_facts.dtype, std::move(shape));
    if (then_facts.contents && then_facts.contents == else_facts.contents) {
      context.set_contents(i, *then_facts.contents);
    }
  }
  return Status::ok();
}

Status reference_if(const NodeFacts& node, KernelRun& run) {
  const std::vector<int64_t> condition = ints_parameter(node, run, "cond", 0);
  if (condition.size() != 1) {
    return {StatusCode::kInvalidArgument, "If: the condition must be one bool"};
  }
  std::vector<TensorView> results;
  PENSTOCK_RETURN_IF_ERROR(run.run_region(condition[0] != 0 ? 0 : 1, {}, results));
  for (size_t i = 0; i < results.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(copy_to_output(run, i, results[i]));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kIf = {.name = "If",
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .outputs = -1,
                          .infer = infer_if,
                          .reference = reference_if,
                          .takes_handles = true};

}  // namespace penstock::ops
