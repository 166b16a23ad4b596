// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Inputs and outputs of any kind: sequences and optionals cross the boundary as handles to tensors.
#include <algorithm>

#include "runtime/context_state.h"

namespace penstock::runtime {
namespace {

using plan::Slot;

std::string held_text(const Value& value) {
  if (value.is_none()) return "nothing";
  if (value.is_sequence()) return "a sequence";
  return "a tensor";
}

bool takes(ValueKind kind, const Value& value) {
  switch (kind) {
    case ValueKind::kTensor: return value.is_tensor();
    case ValueKind::kSequence: return value.is_sequence();
    case ValueKind::kOptionalTensor: return value.is_tensor() || value.is_none();
    case ValueKind::kOptionalSequence: return value.is_sequence() || value.is_none();
  }
  return false;
}

bool fits(const Shape& shape, const TensorInfo& info) {
  if (!info.has_rank) return true;
  if (shape.size() != info.shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (info.shape[i] >= 0 && info.shape[i] != shape[i]) return false;
  }
  return true;
}

}  // namespace

Status ContextState::check_held(const TensorInfo& info, const Value& value) const {
  const std::string what = "input '" + info.name + "'";
  if (!takes(info.kind, value)) {
    return {StatusCode::kInvalidArgument, what + " takes " + std::string(to_string(info.kind)) +
                                              " of " + std::string(to_string(info.dtype)) +
                                              ", not " + held_text(value)};
  }
  const auto check = [&](const Tensor& tensor) {
    if (tensor.dtype() != info.dtype) {
      return Status(StatusCode::kInvalidArgument,
                    what + " is " + std::string(to_string(tensor.dtype())) + ", the model takes " +
                        std::string(to_string(info.dtype)));
    }
    // The shape of a tensor itself is checked against the profile, where it is set.
    if (info.kind == ValueKind::kTensor || fits(tensor.shape(), info)) return Status::ok();
    return Status(StatusCode::kInvalidArgument, what + " holds a tensor of shape " +
                                                    to_string(tensor.shape()) +
                                                    ", the model's are " + to_string(info.shape));
  };
  if (value.is_tensor()) PENSTOCK_RETURN_IF_ERROR(check(value.tensor()));
  for (const Tensor& tensor : value.tensors()) PENSTOCK_RETURN_IF_ERROR(check(tensor));
  return Status::ok();
}

Status ContextState::set_input(std::string_view name, const Value& value) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place input, find_tensor(name, true, false));
  const size_t position = input.position;
  const TensorInfo& info = engine_->inputs()[position];
  PENSTOCK_RETURN_IF_ERROR(check_held(info, value));
  if (info.kind == ValueKind::kTensor) {
    PENSTOCK_RETURN_IF_ERROR(set_input_shape(name, value.tensor().shape()));
  }
  (void)wait();
  HeldInput& held = held_inputs_[position];
  held.value = value;
  if (info.kind == ValueKind::kTensor) {
    place(input, const_cast<void*>(held.value.tensor().data()));
    return Status::ok();
  }
  held.list = value.tensors();
  if (value.is_tensor()) held.list = {value.tensor()};
  held.handle = value.is_none() ? nullptr : &held.list;
  place(input, &held.handle);
  return Status::ok();
}

Result<Tensor> ContextState::host_copy(const OutputView& view) const {
  backends::Backend& device = engine_->backend();
  if (!engine_->is_mixed() || !device.can_reach(view.data)) {
    return Tensor::copy_of(view.dtype, view.shape, view.data);
  }
  Tensor copy(view.dtype, view.shape);
  PENSTOCK_RETURN_IF_ERROR(device.copy_out(copy.data(), view.data, copy.bytes(), *stream_));
  PENSTOCK_RETURN_IF_ERROR(stream_->synchronize());
  return copy;
}

Result<Value> ContextState::output_value(std::string_view name) const {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, false, true));
  const int slot = slot_of(where);
  const Slot& facts = program_->program().slots[slot];
  if (!facts.element) {
    PENSTOCK_ASSIGN_OR_RETURN(const OutputView view, output(name));
    PENSTOCK_ASSIGN_OR_RETURN(Tensor copy, host_copy(view));
    return Value(std::move(copy));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const void* data, output_data(slot));
  const TensorList* list = *static_cast<const TensorList* const*>(data);
  if (list == nullptr) {
    return facts.dtype == DataType::kSequence ? Value::sequence({}) : Value();
  }
  // Strings among them end with the run: the caller's copy owns its own.
  std::vector<Tensor> tensors;
  for (const Tensor& tensor : *list) {
    const bool owns = is_plain(tensor.dtype());
    tensors.push_back(owns ? tensor
                           : Tensor::copy_of(tensor.dtype(), tensor.shape(), tensor.data()));
  }
  if (facts.dtype == DataType::kSequence || facts.element->is_sequence) {
    return Value::sequence(std::move(tensors));
  }
  return tensors.empty() ? Value() : Value(std::move(tensors.front()));
}

}  // namespace penstock::runtime
