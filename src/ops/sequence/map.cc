// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// SequenceMap: regions[0] runs once for each place of the sequences among the inputs, with the
// tensor at that place of each, and with the inputs that are tensors as they are.
#include "ops/sequence/sequence.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(sequence_element(context, 0).status());
  const size_t outputs = context.node().outputs.size();
  if (context.node().regions.size() != 1) return context.error("needs one body");
  const ir::Region& body = *context.node().regions[0];
  if (body.inputs.size() != context.input_count() || body.outputs.size() != outputs) {
    return context.error("the body's inputs and outputs do not fit the node's");
  }
  for (size_t i = 0; i < outputs; ++i) {
    const ir::Value& out = *body.outputs[i];
    if (out.element) return context.error("a body must give tensors");
    context.set_handle(i, DataType::kSequence, ir::element_of(out.dtype, out.shape));
  }
  return Status::ok();
}

Status reference(const NodeFacts&, KernelRun& run) {
  const size_t length = list_of(run.input(0)).size();
  std::vector<TensorList> results(run.output_count());
  std::vector<TensorView> outputs;
  for (size_t at = 0; at < length; ++at) {
    std::vector<TensorView> inputs;
    for (size_t i = 0; i < run.input_count(); ++i) {
      if (run.input(i).dtype != DataType::kSequence) {
        inputs.push_back(run.input(i));
        continue;
      }
      const TensorList& list = list_of(run.input(i));
      if (list.size() != length) {
        return {StatusCode::kInvalidArgument, "sequences of " + std::to_string(length) +
                                                  " and of " + std::to_string(list.size()) +
                                                  " tensors do not go together"};
      }
      inputs.push_back(view_of(list[at]));
    }
    PENSTOCK_RETURN_IF_ERROR(run.run_region(0, inputs, outputs));
    for (size_t i = 0; i < results.size() && i < outputs.size(); ++i) {
      PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(run, outputs[i]));
      results[i].push_back(std::move(tensor));
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(give_list(run, i, std::move(results[i])));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kSequenceMap = {.name = "SequenceMap",
                                   .min_inputs = 1,
                                   .max_inputs = -1,
                                   .outputs = -1,
                                   .infer = infer,
                                   .reference = reference,
                                   .takes_handles = true};

}  // namespace penstock::ops
