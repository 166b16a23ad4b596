// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/sequence/sequence.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::ElementType;

// Without an input it holds nothing, and attributes tell what it might: "dtype", "is_sequence" and,
// where it is known, "shape".
Status infer_optional(InferContext& context) {
  ElementType element;
  if (context.has_input(0)) {
    const ElementType* held = context.element(0);
    if (context.dtype(0) == DataType::kOptional) return context.error("takes no optional");
    element = held != nullptr ? *held : ir::element_of(context.dtype(0), context.shape(0));
    element.is_sequence = held != nullptr;
  } else {
    element.dtype = static_cast<DataType>(context.attributes().get_int("dtype"));
    if (size_of(element.dtype) == 0) return context.error("its type is not known");
    element.is_sequence = context.attributes().get_int("is_sequence") != 0;
    element.rank = ElementType::Rank::kUnset;
    if (context.attributes().has("shape")) {
      element.rank = ElementType::Rank::kKnown;
      element.shape = context.attributes().get_dims("shape");
    }
  }
  context.set_handle(0, DataType::kOptional, std::move(element));
  return Status::ok();
}

Status give_handle(KernelRun& run, const TensorList* list) {
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(0, {}));
  *to.as<const TensorList*>() = list;
  return Status::ok();
}

Status run_optional(const NodeFacts&, KernelRun& run) {
  if (!run.has_input(0)) return give_handle(run, nullptr);
  const TensorView& x = run.input(0);
  if (x.dtype != DataType::kSequence) {
    PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(run, x));
    return give_list(run, 0, {std::move(tensor)});
  }
  const TensorList* list = *x.as<const TensorList*>();
  // An empty sequence is something: it needs a handle that is not null.
  return list == nullptr ? give_list(run, 0, {}) : give_handle(run, list);
}

Status infer_has(InferContext& context) {
  if (context.dtype(0) != DataType::kOptional) return context.error("takes an optional");
  context.set_output(0, DataType::kBool, ir::SymbolicShape());
  return Status::ok();
}

Status run_has(const NodeFacts&, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(0, {}));
  *to.as<bool>() = *run.input(0).as<const TensorList*>() != nullptr;
  return Status::ok();
}

Status infer_get(InferContext& context) {
  const ElementType* held = context.element(0);
  if (context.dtype(0) != DataType::kOptional || held == nullptr) {
    return context.error("takes an optional");
  }
  ElementType element = *held;
  if (element.is_sequence) {
    element.is_sequence = false;
    context.set_handle(0, DataType::kSequence, std::move(element));
    return Status::ok();
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, tensor_shape(context, element));
  context.set_output(0, element.dtype, std::move(shape));
  return Status::ok();
}

Status run_get(const NodeFacts& node, KernelRun& run) {
  const TensorList* list = *run.input(0).as<const TensorList*>();
  if (list == nullptr) {
    return {StatusCode::kInvalidArgument,
            "the optional holds nothing: ask OptionalHasElement before"};
  }
  if (node.outputs[0].dtype == DataType::kSequence) return give_handle(run, list);
  if (list->size() != 1) return {StatusCode::kInvalidArgument, "the optional holds no tensor"};
  return give_tensor(run, 0, list->front());
}

}  // namespace

const OpDefinition kOptional = {.name = "Optional",
                                .min_inputs = 0,
                                .max_inputs = 1,
                                .infer = infer_optional,
                                .reference = run_optional,
                                .takes_handles = true};
const OpDefinition kOptionalHasElement = {.name = "OptionalHasElement",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .infer = infer_has,
                                          .reference = run_has,
                                          .takes_handles = true};
const OpDefinition kOptionalGetElement = {.name = "OptionalGetElement",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .infer = infer_get,
                                          .reference = run_get,
                                          .takes_handles = true};

}  // namespace penstock::ops
