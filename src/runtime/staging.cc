// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Inputs and outputs of plans for a device with memory of its own: what the caller has on the host
// is copied.
#include "ir/storage.h"
#include "runtime/context_state.h"

namespace penstock::runtime {

using plan::Slot;

Status ContextState::stage_input(size_t input) {
  const int slot = program_->main().inputs[input];
  const Slot& facts = program_->program().slots[slot];
  void* address = input_addresses_[input];
  const bool is_there = address != nullptr && engine_->backend().can_reach(address);
  if (!facts.on_device && is_there) {
    return {StatusCode::kInvalidArgument,
            "input '" + facts.name + "' is read by the host: give it memory of the host"};
  }
  if (facts.on_device && !is_there && address != nullptr) {
    const size_t bytes = ir::storage_bytes(facts.dtype, input_shapes_[input], facts.layout);
    PENSTOCK_RETURN_IF_ERROR(device_inputs_[input].resize(bytes));
    staged_inputs_.push_back({address, device_inputs_[input].data(), bytes});
    address = device_inputs_[input].data();
  }
  slot_addresses_[slot] = address;
  return Status::ok();
}

Status ContextState::stage_output(size_t output) {
  const int root = program_->root_of(program_->main().outputs[output]);
  const Slot& facts = program_->program().slots[root];
  if (!facts.on_device || program_->is_late_slot(root)) return Status::ok();
  void* address = output_addresses_[output];
  if (address == nullptr) address = output_buffers_[output].data();
  if (!engine_->backend().can_reach(address)) {
    const size_t bytes = ir::storage_bytes(facts.dtype, binding().shapes[root], facts.layout);
    PENSTOCK_RETURN_IF_ERROR(device_outputs_[output].resize(bytes));
    staged_outputs_.push_back({address, device_outputs_[output].data(), bytes});
    address = device_outputs_[output].data();
  }
  slot_addresses_[root] = address;
  return Status::ok();
}

Status ContextState::place_on_device() {
  staged_inputs_.clear();
  staged_outputs_.clear();
  for (size_t i = 0; i < input_addresses_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(stage_input(i));
  for (size_t i = 0; i < output_addresses_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(stage_output(i));
  return Status::ok();
}

}  // namespace penstock::runtime
