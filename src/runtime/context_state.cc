// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/context_state.h"

#include <algorithm>

#include "base/names.h"
#include "ir/graph.h"
#include "runtime/bind_kernel.h"
#include "runtime/late.h"

namespace penstock::runtime {

using backends::MemoryUse;
using plan::Slot;

namespace {

std::vector<std::string> names_of(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& info : tensors) names.push_back(info.name);
  return names;
}

}  // namespace

ContextState::ContextState(std::shared_ptr<EngineState> engine,
                           std::unique_ptr<backends::Stream> stream,
                           std::unique_ptr<backends::Stream> host_stream,
                           const ContextOptions& options, std::shared_ptr<ScratchState> scratch)
    : engine_(std::move(engine)),
      stream_(std::move(stream)),
      host_stream_(std::move(host_stream)),
      memory_(options.max_memory_bytes == 0 ? machine_memory() : options.max_memory_bytes),
      // Without a limit a device says itself when it is full.
      device_memory_(options.max_memory_bytes == 0 ? UINT64_MAX : options.max_memory_bytes),
      most_iterations_(options.max_loop_iterations),
      program_(&engine_->program(0)),
      runs_(engine_->profile_count()),
      values_(engine_->inputs().size()),
      values_known_(engine_->inputs().size()),
      input_addresses_(engine_->inputs().size()),
      output_addresses_(engine_->outputs().size()),
      allocators_(engine_->outputs().size()),
      slot_addresses_(program_->program().slots.size()),
      slot_allocators_(slot_addresses_.size()),
      arena_(engine_->host(), memory_, MemoryUse::kScratch),
      device_arena_(engine_->backend(), device_memory_, MemoryUse::kScratch),
      scratch_(std::move(scratch)) {
  for (const TensorInfo& info : engine_->inputs()) {
    // The shape of a sequence's tensors is not its own: it is one handle.
    const Shape shape = info.kind == ValueKind::kTensor ? info.shape : Shape();
    input_shapes_.push_back(shape);
    input_set_.push_back(std::count(shape.begin(), shape.end(), -1) == 0);
  }
  for (size_t i : engine_->shape_inputs()) {
    values_[i].resize(static_cast<size_t>(element_count(input_shapes_[i])));
  }
  held_inputs_.resize(engine_->inputs().size());
  for (size_t i = 0; i < engine_->outputs().size(); ++i) {
    output_buffers_.emplace_back(engine_->backend(), memory_, MemoryUse::kTensors,
                                 DeviceBuffer::kStaging);
    device_outputs_.emplace_back(engine_->backend(), device_memory_, MemoryUse::kTensors);
  }
  for (size_t i = 0; i < engine_->inputs().size(); ++i) {
    device_inputs_.emplace_back(engine_->backend(), device_memory_, MemoryUse::kTensors);
    host_inputs_.emplace_back(engine_->backend(), memory_, MemoryUse::kTensors,
                              DeviceBuffer::kStaging);
  }
}

ContextState::~ContextState() { (void)wait(); }

int ContextState::slot_of(Place place) const {
  return place.is_input ? program_->main().inputs[place.position]
                        : program_->main().outputs[place.position];
}

Result<ContextState::Place> ContextState::find_tensor(std::string_view name, bool inputs,
                                                      bool outputs) const {
  for (const bool is_input : {true, false}) {
    if (!(is_input ? inputs : outputs)) continue;
    const std::vector<TensorInfo>& tensors = is_input ? engine_->inputs() : engine_->outputs();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name == name) return Place{is_input, i};
    }
  }
  std::vector<std::string> known;
  if (inputs) known = names_of(engine_->inputs());
  if (outputs) {
    for (std::string& other : names_of(engine_->outputs())) known.push_back(std::move(other));
  }
  return Status(StatusCode::kInvalidArgument, std::string("no ") +
                                                  (inputs && outputs ? "input or output"
                                                   : inputs          ? "input"
                                                                     : "output") +
                                                  " is named '" + std::string(name) + "'; " +
                                                  suggest(name, known));
}

Status ContextState::check_shape(size_t input, const Shape& shape) const {
  const Slot& facts = program_->program().slots[program_->main().inputs[input]];
  const std::string what = "input '" + facts.name + "' of shape " + to_string(shape);
  if (shape.size() != facts.shape.size()) {
    return {StatusCode::kInvalidArgument,
            what + " has rank " + std::to_string(shape.size()) + ", the model's is " +
                std::to_string(facts.shape.size()) + ": " + ir::to_string(facts.shape)};
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const std::string where = what + ": extent " + std::to_string(i);
    if (facts.shape[i].is_constant() && facts.shape[i].constant() != shape[i]) {
      return {StatusCode::kInvalidArgument, where + " must be " + facts.shape[i].to_string() +
                                                ", as in " + ir::to_string(facts.shape)};
    }
    if (shape[i] < 0) return {StatusCode::kInvalidArgument, where + " is negative"};
  }
  return check_limits(input, shape);
}

Status ContextState::set_input_shape(std::string_view name, const Shape& shape) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place input, find_tensor(name, true, false));
  const size_t position = input.position;
  PENSTOCK_RETURN_IF_ERROR(check_shape(position, shape));
  if (input_set_[position] && input_shapes_[position] == shape) return Status::ok();
  (void)wait();
  input_shapes_[position] = shape;
  input_set_[position] = true;
  shapes_changed_ = true;
  return Status::ok();
}

Status ContextState::set_address(std::string_view name, void* address) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, true, true));
  const int slot = slot_of(where);
  if (!where.is_input && program_->is_late_slot(slot)) {
    return {StatusCode::kInvalidArgument,
            "the shape of output '" + std::string(name) +
                "' depends on data: give an output allocator, or read "
                "it with output()"};
  }
  if (program_->program().slots[slot].element) {
    return {StatusCode::kInvalidArgument, "'" + std::string(name) +
                                              "' is no tensor and has no address: use " +
                                              (where.is_input ? "set_input()" : "output_value()")};
  }
  place(where, address);
  if (where.is_input && !held_inputs_[where.position].value.is_none()) {
    (void)wait();
    held_inputs_[where.position] = {};
  }
  return Status::ok();
}

void ContextState::place(Place where, void* address) {
  void*& present = (where.is_input ? input_addresses_ : output_addresses_)[where.position];
  if (present == address) return;
  (void)wait();
  present = address;
  slot_addresses_[program_->root_of(slot_of(where))] = address;
  addresses_changed_ = true;
}

Status ContextState::set_allocator(std::string_view name, OutputAllocator* allocator) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, false, true));
  const int slot = slot_of(where);
  if (program_->program().slots[slot].element) {
    return {StatusCode::kInvalidArgument,
            "output '" + std::string(name) + "' is no tensor: use output_value()"};
  }
  if (!program_->is_late_slot(slot)) {
    return {StatusCode::kInvalidArgument, "the shape of output '" + std::string(name) +
                                              "' follows from the inputs: set its address instead"};
  }
  (void)wait();
  allocators_[where.position] = allocator;
  slot_allocators_[program_->root_of(slot)] = allocator;
  return Status::ok();
}

Status ContextState::take_output_memory() {
  const auto& outputs = program_->main().outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int root = program_->root_of(outputs[i]);
    if (output_addresses_[i] != nullptr || program_->is_late_slot(root)) continue;
    const Slot& facts = program_->program().slots[root];
    PENSTOCK_RETURN_IF_ERROR(output_buffers_[i].resize(
        ir::storage_bytes(facts.dtype, binding().shapes[root], facts.layout)));
  }
  return Status::ok();
}

Status ContextState::check_addresses() const {
  for (size_t i = 0; i < input_addresses_.size(); ++i) {
    if (input_addresses_[i] == nullptr && element_count(input_shapes_[i]) > 0) {
      return {StatusCode::kInvalidArgument,
              "input '" + engine_->inputs()[i].name + "' has no address: set it before running"};
    }
  }
  return Status::ok();
}

Status ContextState::bind_if_changed() {
  read_values();
  if (!shapes_changed_ && prepared_ != nullptr) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(bind());
  shapes_changed_ = false;
  addresses_changed_ = true;
  return Status::ok();
}

Status ContextState::prepare() {
  PENSTOCK_RETURN_IF_ERROR(engine_->backend().health());
  PENSTOCK_RETURN_IF_ERROR(bind_if_changed());
  if (const Status taken = take_scratch(); !taken.is_ok()) {
    prepared_ = nullptr;
    return taken;
  }
  if (!addresses_changed_) return Status::ok();
  const Status placed = place_all();
  if (!placed.is_ok()) release_scratch();
  return placed;
}

// Takes the addresses of all that the steps touch.
Status ContextState::place_all() {
  PENSTOCK_RETURN_IF_ERROR(check_addresses());
  PENSTOCK_RETURN_IF_ERROR(take_output_memory());
  if (engine_->is_mixed()) PENSTOCK_RETURN_IF_ERROR(place_on_device());
  for (size_t i = 0; i < prepared_->frames.size(); ++i) {
    if (prepared_->frames[i] == nullptr) continue;
    const int64_t offset = binding().workspace_offsets[i];
    const bool on_device = program_->steps(0)[i].on_device;
    prepared_->frames[i]->refresh(*this, offset < 0 ? nullptr : arena(on_device) + offset);
  }
  prepared_->recording.reset();
  prepared_->plain_runs = 0;
  addresses_changed_ = false;
  return Status::ok();
}

void* ContextState::address_of(int slot) const {
  const int root = program_->root_of(slot);
  const Slot& facts = program_->program().slots[root];
  if (facts.kind == Slot::Kind::kConstant)
    return const_cast<void*>(program_->constant_address(root));
  if (slot_addresses_[root] != nullptr || facts.kind == Slot::Kind::kInput) {
    return slot_addresses_[root];
  }
  const int64_t offset = binding().slot_offsets[root];
  if (offset >= 0) return arena(facts.on_device) + offset;
  const auto& outputs = program_->main().outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (program_->root_of(outputs[i]) == root) return output_buffers_[i].data();
  }
  return nullptr;
}

Result<Shape> ContextState::tensor_shape(std::string_view name) {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, true, true));
  read_values();
  PENSTOCK_RETURN_IF_ERROR(choose_profile().status());
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> symbols, symbols_of_inputs());
  Shape shape;
  for (int dim : program_->slot_dims()[slot_of(where)])
    shape.push_back(program_->dims().evaluate(dim, symbols));
  return shape;
}

Result<const void*> ContextState::output_data(int slot) const {
  const bool late = program_->is_late_slot(slot);
  if (prepared_ == nullptr || (late && late_ == nullptr)) {
    return Status(StatusCode::kInvalidArgument,
                  "output '" + program_->program().slots[slot].name + "': nothing has run yet");
  }
  if (late) return static_cast<const void*>(late_->data_of(slot));
  if (!engine_->is_mixed()) return static_cast<const void*>(address_of(slot));
  // The caller's memory, wherever it is, or the copy on the host.
  const auto& outputs = program_->main().outputs;
  const auto position = std::find(outputs.begin(), outputs.end(), slot) - outputs.begin();
  if (output_addresses_[position] != nullptr) {
    return static_cast<const void*>(output_addresses_[position]);
  }
  if (!program_->program().slots[slot].on_device) {
    return static_cast<const void*>(address_of(slot));
  }
  return static_cast<const void*>(output_buffers_[position].data());
}

Result<OutputView> ContextState::output(std::string_view name) const {
  PENSTOCK_ASSIGN_OR_RETURN(const Place where, find_tensor(name, false, true));
  const int slot = slot_of(where);
  PENSTOCK_ASSIGN_OR_RETURN(const void* data, output_data(slot));
  const Slot& facts = program_->program().slots[slot];
  if (facts.element) {
    return Status(StatusCode::kInvalidArgument,
                  "output '" + std::string(name) + "' is no tensor: use output_value()");
  }
  if (!program_->is_late_slot(slot)) return OutputView{facts.dtype, binding().shapes[slot], data};
  PENSTOCK_ASSIGN_OR_RETURN(Shape shape, late_->shape_of(slot));
  return OutputView{facts.dtype, std::move(shape), data};
}

}  // namespace penstock::runtime
