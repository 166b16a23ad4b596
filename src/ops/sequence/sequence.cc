// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Sequences never change: Insert and Erase make new lists that share the tensors.
#include "ops/sequence/sequence.h"

#include <cstring>

#include "ops/reference_util.h"

namespace penstock::ops {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::ElementType;

Result<ElementType> sequence_element(const InferContext& context, size_t i) {
  if (context.dtype(i) == DataType::kSequence && context.element(i) != nullptr) {
    return *context.element(i);
  }
  return context.error("input " + std::to_string(i) + " is " +
                       std::string(to_string(context.dtype(i))) + ", but must be a sequence");
}

Result<ir::SymbolicShape> tensor_shape(InferContext& context, const ElementType& element) {
  std::optional<ir::SymbolicShape> shape =
      element.tensor_shape([&] { return context.fresh_symbol(); });
  if (shape) return *std::move(shape);
  return Status(StatusCode::kUnsupported,
                "the number of dimensions of the tensors in its " +
                    std::string(to_string(context.dtype(0))) + "<" + ir::to_string(element) +
                    "> is not known: declare their shape, or let them agree in rank");
}

const TensorList& list_of(const TensorView& handle) {
  static const TensorList kNone;
  const TensorList* list = handle.data == nullptr ? nullptr : *handle.as<const TensorList*>();
  return list == nullptr ? kNone : *list;
}

Result<Tensor> to_tensor(KernelRun& run, const TensorView& view) {
  PENSTOCK_RETURN_IF_ERROR(
      backends::hold_memory(run, view.count() * static_cast<int64_t>(size_of(view.dtype))));
  return Tensor::copy_of(view.dtype, *view.shape, view.data);
}

TensorView view_of(const Tensor& tensor) {
  return {tensor.dtype(), ir::Layout::kPlain, &tensor.shape(), const_cast<void*>(tensor.data())};
}

Status give_list(KernelRun& run, size_t i, TensorList list) {
  if (!run.has_output(i)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(i, {}));
  PENSTOCK_RETURN_IF_ERROR(
      backends::hold_memory(run, static_cast<int64_t>(list.size() * sizeof(Tensor))));
  *to.as<const TensorList*>() = run.objects().add(std::move(list));
  return Status::ok();
}

Status give_tensor(KernelRun& run, size_t i, const Tensor& tensor) {
  if (!run.has_output(i)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(i, tensor.shape()));
  if (to.dtype != tensor.dtype()) {
    return {StatusCode::kInvalidArgument, "a tensor of " + std::string(to_string(tensor.dtype())) +
                                              " where " + std::string(to_string(to.dtype)) +
                                              " was expected"};
  }
  if (tensor.bytes() > 0) std::memcpy(to.data, tensor.data(), tensor.bytes());
  return Status::ok();
}

namespace {

Status infer_empty(InferContext& context) {
  const auto dtype = static_cast<DataType>(
      context.attributes().get_int("dtype", static_cast<int64_t>(DataType::kFloat32)));
  context.set_handle(0, DataType::kSequence,
                     ElementType{dtype, false, ElementType::Rank::kUnset, {}});
  return Status::ok();
}

Status run_empty(const NodeFacts&, KernelRun& run) { return give_list(run, 0, {}); }

Status infer_construct(InferContext& context) {
  ElementType element = ir::element_of(context.dtype(0), context.shape(0));
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i) || context.element(i) != nullptr) {
      return context.error("input " + std::to_string(i) + " is no tensor");
    }
    if (context.dtype(i) != element.dtype) {
      return context.error("input " + std::to_string(i) + " is " +
                           std::string(to_string(context.dtype(i))) + ", but input 0 is " +
                           std::string(to_string(element.dtype)));
    }
    element = ir::join(element, ir::element_of(context.dtype(i), context.shape(i)));
  }
  context.set_handle(0, DataType::kSequence, std::move(element));
  return Status::ok();
}

Status run_construct(const NodeFacts&, KernelRun& run) {
  TensorList list;
  for (size_t i = 0; i < run.input_count(); ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(run, run.input(i)));
    list.push_back(std::move(tensor));
  }
  return give_list(run, 0, std::move(list));
}

// The position in input i, counted from the end where negative; `otherwise` where there is none.
Result<int64_t> position(const KernelRun& run, size_t i, int64_t low, int64_t high,
                         int64_t otherwise) {
  if (!run.has_input(i)) return otherwise;
  const std::vector<int64_t> given = read_int64s(run.input(i));
  if (given.size() != 1) {
    return Status(StatusCode::kInvalidArgument,
                  "the position must be one integer, not " + std::to_string(given.size()));
  }
  if (given[0] < low || given[0] > high) {
    return Status(StatusCode::kInvalidArgument,
                  "position " + std::to_string(given[0]) + " is outside the sequence: it takes " +
                      std::to_string(low) + " to " + std::to_string(high));
  }
  return given[0];
}

Status infer_insert(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const ElementType element, sequence_element(context, 0));
  if (context.dtype(1) != element.dtype) {
    return context.error("a tensor of " + std::string(to_string(context.dtype(1))) +
                         " goes into a sequence of " + std::string(to_string(element.dtype)));
  }
  context.set_handle(0, DataType::kSequence,
                     ir::join(element, ir::element_of(context.dtype(1), context.shape(1))));
  return Status::ok();
}

Status run_insert(const NodeFacts&, KernelRun& run) {
  TensorList list = list_of(run.input(0));
  const auto n = static_cast<int64_t>(list.size());
  PENSTOCK_ASSIGN_OR_RETURN(int64_t at, position(run, 2, -n, n, n));
  if (at < 0) at += n;
  PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, to_tensor(run, run.input(1)));
  list.insert(list.begin() + at, std::move(tensor));
  return give_list(run, 0, std::move(list));
}

Status infer_erase(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(ElementType element, sequence_element(context, 0));
  context.set_handle(0, DataType::kSequence, std::move(element));
  return Status::ok();
}

Status run_erase(const NodeFacts&, KernelRun& run) {
  TensorList list = list_of(run.input(0));
  const auto n = static_cast<int64_t>(list.size());
  if (n == 0) return {StatusCode::kInvalidArgument, "the sequence is empty"};
  PENSTOCK_ASSIGN_OR_RETURN(int64_t at, position(run, 1, -n, n - 1, n - 1));
  if (at < 0) at += n;
  list.erase(list.begin() + at);
  return give_list(run, 0, std::move(list));
}

Status infer_at(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const ElementType element, sequence_element(context, 0));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, tensor_shape(context, element));
  context.set_output(0, element.dtype, std::move(shape));
  return Status::ok();
}

Status run_at(const NodeFacts&, KernelRun& run) {
  const TensorList& list = list_of(run.input(0));
  const auto n = static_cast<int64_t>(list.size());
  if (n == 0) return {StatusCode::kInvalidArgument, "the sequence is empty"};
  PENSTOCK_ASSIGN_OR_RETURN(int64_t at, position(run, 1, -n, n - 1, 0));
  return give_tensor(run, 0, list[static_cast<size_t>(at < 0 ? at + n : at)]);
}

Status infer_length(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(sequence_element(context, 0).status());
  context.set_output(0, DataType::kInt64, ir::SymbolicShape());
  return Status::ok();
}

Status run_length(const NodeFacts&, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(0, {}));
  *to.as<int64_t>() = static_cast<int64_t>(list_of(run.input(0)).size());
  return Status::ok();
}

}  // namespace

const OpDefinition kSequenceEmpty = {.name = "SequenceEmpty",
                                     .min_inputs = 0,
                                     .max_inputs = 0,
                                     .infer = infer_empty,
                                     .reference = run_empty};
const OpDefinition kSequenceConstruct = {.name = "SequenceConstruct",
                                         .min_inputs = 1,
                                         .max_inputs = -1,
                                         .infer = infer_construct,
                                         .reference = run_construct};
const OpDefinition kSequenceInsert = {.name = "SequenceInsert",
                                      .min_inputs = 2,
                                      .max_inputs = 3,
                                      .infer = infer_insert,
                                      .reference = run_insert,
                                      .takes_handles = true};
const OpDefinition kSequenceErase = {.name = "SequenceErase",
                                     .min_inputs = 1,
                                     .max_inputs = 2,
                                     .infer = infer_erase,
                                     .reference = run_erase,
                                     .takes_handles = true};
const OpDefinition kSequenceAt = {.name = "SequenceAt",
                                  .min_inputs = 2,
                                  .max_inputs = 2,
                                  .infer = infer_at,
                                  .reference = run_at,
                                  .takes_handles = true};
const OpDefinition kSequenceLength = {.name = "SequenceLength",
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .infer = infer_length,
                                      .reference = run_length,
                                      .takes_handles = true};

}  // namespace penstock::ops
