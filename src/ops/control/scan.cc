// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Scan: inputs (states..., scanned...); regions[0] takes (states..., slices...) and gives
// (states..., elements...); outputs (states..., stacked...).
#include "ops/control/control.h"
#include "ops/control/iteration.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// Entry i of a list attribute of axes or directions; 0 past its end.
int64_t entry(const ir::Attributes& attributes, std::string_view name, size_t i) {
  const std::vector<int64_t> list = attributes.get_ints(name);
  return i < list.size() ? list[i] : 0;
}

Result<size_t> state_count(const ir::Attributes& attributes, size_t inputs) {
  const int64_t scanned = attributes.get_int("num_scan_inputs");
  if (scanned < 1 || scanned > static_cast<int64_t>(inputs)) {
    return Status(StatusCode::kInvalidModel, "num_scan_inputs = " + std::to_string(scanned) +
                                                 " does not fit " + std::to_string(inputs) +
                                                 " inputs");
  }
  return inputs - static_cast<size_t>(scanned);
}

Status infer_scan(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const size_t states,
                            state_count(context.attributes(), context.input_count()));
  const size_t outputs = context.node().outputs.size();
  if (context.node().regions.size() != 1) return context.error("needs one body");
  const ir::Region& body = *context.node().regions[0];
  if (body.inputs.size() != context.input_count() || body.outputs.size() != outputs ||
      outputs < states) {
    return context.error("the body's inputs and outputs do not fit the node's");
  }
  const int64_t first_rank = context.rank(states);
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis,
      InferContext::normalize_axis(entry(context.attributes(), "scan_input_axes", 0), first_rank));
  const ir::Dim length = context.shape(states)[axis];
  for (size_t i = 0; i < outputs; ++i) {
    const ir::Value& out = *body.outputs[i];
    if (out.element && i >= states) return context.error("a scan output must be a tensor");
    if (i < states && (out.element || context.element(i) != nullptr)) {
      PENSTOCK_ASSIGN_OR_RETURN(ir::ElementType element, carried_element(context.element(i), out));
      context.set_handle(i, out.dtype, std::move(element));
      continue;
    }
    if (i < states) {
      PENSTOCK_ASSIGN_OR_RETURN(
          ir::SymbolicShape shape,
          carried_shape(context, context.shape(i), body.inputs[i]->shape, out.shape));
      context.set_output(i, out.dtype, std::move(shape));
      continue;
    }
    ir::SymbolicShape shape = outside_shape(context, out.shape);
    PENSTOCK_ASSIGN_OR_RETURN(
        const int64_t at,
        InferContext::normalize_axis(entry(context.attributes(), "scan_output_axes", i - states),
                                     static_cast<int64_t>(shape.size()) + 1));
    shape.insert(shape.begin() + at, length);
    context.set_output(i, out.dtype, std::move(shape));
  }
  return Status::ok();
}

// A scanned input and the slice of it that the body sees now.
struct Scanned {
  const TensorView* whole = nullptr;
  int64_t axis = 0;
  bool reversed = false;
  Shape shape;
  std::vector<std::byte> bytes;

  int64_t length() const { return (*whole->shape)[axis]; }
  TensorView slice(int64_t i) {
    take_slice(*whole, axis, reversed ? length() - 1 - i : i, shape, bytes);
    return {whole->dtype, ir::Layout::kPlain, &shape, bytes.data()};
  }
};

Result<std::vector<Scanned>> scanned_inputs(const NodeFacts& node, const KernelRun& run,
                                            size_t states) {
  std::vector<Scanned> scanned;
  for (size_t i = states; i < run.input_count(); ++i) {
    Scanned input;
    input.whole = &run.input(i);
    PENSTOCK_ASSIGN_OR_RETURN(input.axis, InferContext::normalize_axis(
                                              entry(node.attributes, "scan_input_axes", i - states),
                                              static_cast<int64_t>(input.whole->shape->size())));
    input.reversed = entry(node.attributes, "scan_input_directions", i - states) != 0;
    scanned.push_back(std::move(input));
    if (scanned.back().length() != scanned.front().length()) {
      return Status(StatusCode::kInvalidArgument, "Scan: the scanned inputs differ in length");
    }
  }
  return scanned;
}

Status reference_scan(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const size_t states, state_count(node.attributes, run.input_count()));
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<Scanned> scanned, scanned_inputs(node, run, states));
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<CarriedTensor> values, carried_inputs(run, 0, states));
  std::vector<StackedTensor> stacks;
  for (size_t i = states; i < run.output_count(); ++i) stacks.emplace_back(run);

  std::vector<TensorView> results;
  const int64_t length = scanned.front().length();
  for (int64_t step = 0; step < length; ++step) {
    std::vector<TensorView> arguments;
    for (CarriedTensor& value : values) arguments.push_back(value.view());
    for (Scanned& input : scanned) arguments.push_back(input.slice(step));
    PENSTOCK_RETURN_IF_ERROR(run.run_region(0, arguments, results));
    for (size_t i = 0; i < stacks.size(); ++i) {
      PENSTOCK_RETURN_IF_ERROR(stacks[i].append(results[states + i]));
    }
    PENSTOCK_RETURN_IF_ERROR(carry(run, results, 0, values));
  }
  for (size_t i = 0; i < states; ++i) {
    PENSTOCK_RETURN_IF_ERROR(copy_to_output(run, i, values[i].view()));
  }
  for (size_t i = 0; i < stacks.size(); ++i) {
    const size_t output = states + i;
    PENSTOCK_RETURN_IF_ERROR(stacks[i].write(
        run, output, entry(node.attributes, "scan_output_axes", i),
        entry(node.attributes, "scan_output_directions", i) != 0, node.outputs[output].shape));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kScan = {.name = "Scan",
                            .min_inputs = 1,
                            .max_inputs = -1,
                            .outputs = -1,
                            .infer = infer_scan,
                            .reference = reference_scan,
                            .takes_handles = true};

}  // namespace penstock::ops
