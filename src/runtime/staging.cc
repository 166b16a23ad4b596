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
  slot_addresses_[slot] = address;
  if (address == nullptr || program_->last_use(slot) < 0) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(
      engine_->backend().check_address(address).with_context("input '" + facts.name + "'"));
  const bool is_there = engine_->backend().can_reach(address);
  if (facts.on_device == is_there) {
    all_staged_ = false;
    return Status::ok();
  }
  const size_t bytes = ir::storage_bytes(facts.dtype, input_shapes_[input], facts.layout);
  DeviceBuffer& copy = is_there ? host_inputs_[input] : device_inputs_[input];
  PENSTOCK_RETURN_IF_ERROR(copy.resize(bytes));
  slot_addresses_[slot] = copy.data();
  staged_inputs_.push_back(is_there ? StagedCopy{copy.data(), address, bytes, true}
                                    : StagedCopy{address, copy.data(), bytes, false});
  return Status::ok();
}

Status ContextState::stage_output(size_t output) {
  const int root = program_->root_of(program_->main().outputs[output]);
  const Slot& facts = program_->program().slots[root];
  if (program_->is_late_slot(root)) return Status::ok();
  void* address = output_addresses_[output];
  PENSTOCK_RETURN_IF_ERROR(
      engine_->backend().check_address(address).with_context("output '" + facts.name + "'"));
  const size_t bytes = ir::storage_bytes(facts.dtype, binding().shapes[root], facts.layout);
  if (!facts.on_device) {
    if (address == nullptr || !engine_->backend().can_reach(address)) return Status::ok();
    PENSTOCK_RETURN_IF_ERROR(output_buffers_[output].resize(bytes));
    slot_addresses_[root] = output_buffers_[output].data();
    staged_outputs_.push_back({slot_addresses_[root], address, bytes, false});
    return Status::ok();
  }
  if (address == nullptr) address = output_buffers_[output].data();
  if (!engine_->backend().can_reach(address)) {
    PENSTOCK_RETURN_IF_ERROR(device_outputs_[output].resize(bytes));
    staged_outputs_.push_back({address, device_outputs_[output].data(), bytes, true});
    address = device_outputs_[output].data();
  }
  slot_addresses_[root] = address;
  return Status::ok();
}

Status ContextState::place_on_device() {
  staged_inputs_.clear();
  staged_outputs_.clear();
  all_staged_ = true;
  for (size_t i = 0; i < input_addresses_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(stage_input(i));
  for (size_t i = 0; i < output_addresses_.size(); ++i) PENSTOCK_RETURN_IF_ERROR(stage_output(i));
  return Status::ok();
}

Status ContextState::copy_staged(const std::vector<StagedCopy>& copies, backends::Stream& stream) {
  backends::Backend& device = engine_->backend();
  for (const StagedCopy& copy : copies) {
    PENSTOCK_RETURN_IF_ERROR(copy.to_host
                                 ? device.copy_out(copy.host, copy.device, copy.bytes, stream)
                                 : device.copy_in(copy.device, copy.host, copy.bytes, stream));
  }
  return Status::ok();
}

Status ContextState::stage_inputs(backends::Stream& stream) {
  PENSTOCK_RETURN_IF_ERROR(copy_staged(staged_inputs_, stream));
  for (const StagedCopy& copy : staged_inputs_) {
    if (!copy.to_host) continue;
    PENSTOCK_RETURN_IF_ERROR(stream.flush());  // the host reads them next
    break;
  }
  const bool is_consumed = consumed_ != nullptr && all_staged_ && stream.is_asynchronous();
  return is_consumed ? consumed_->record(stream) : Status::ok();
}

}  // namespace penstock::runtime
