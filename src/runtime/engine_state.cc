// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/engine_state.h"

#include <algorithm>
#include <map>

#include "ops/cpu_tactics.h"
#include "ops/find_backend.h"

namespace penstock::runtime {

Result<std::shared_ptr<EngineState>> EngineState::create(plan::PlanFile file,
                                                         std::shared_ptr<backends::Backend> backend,
                                                         std::shared_ptr<backends::Backend> host,
                                                         LoadTimer timer) {
  std::shared_ptr<EngineState> state(new EngineState());
  state->file_ = std::make_shared<const plan::PlanFile>(std::move(file));
  state->backend_ = std::move(backend);
  state->host_ = std::move(host);
  PENSTOCK_RETURN_IF_ERROR(state->check_instruction_set());
  const backends::CurrentDevice current(*state->backend_);
  state->code_ = std::make_shared<backends::DeviceCode>(state->file_->code());
  for (const plan::Program& program : state->contents().programs) {
    state->programs_.push_back(std::make_unique<ProgramState>(
        state->file_, program, state->backend_, state->host_, state->code_));
    PENSTOCK_RETURN_IF_ERROR(state->programs_.back()->resolve());
    state->profiles_.push_back(program.profile);
  }
  timer.finish("tactics");
  PENSTOCK_RETURN_IF_ERROR(state->upload_constants());
  timer.finish("weights");
  state->load_phases_ = timer.take();
  for (size_t i = 0; i < state->inputs().size(); ++i) {
    const std::string& name = state->inputs()[i].name;
    const auto limits = [&](const OptimizationProfile& profile) {
      return profile.values.count(name) != 0;
    };
    if (std::any_of(state->profiles_.begin(), state->profiles_.end(), limits)) {
      state->shape_inputs_.push_back(i);
    }
  }
  return state;
}

Status EngineState::check_instruction_set() const {
  const std::string& needed = contents().instruction_set;
  if (backend_->supports_instruction_set(needed)) return Status::ok();
  std::string message = file_->label() + " was built for " + needed;
  if (is_mixed()) {
    message += " (" + contents().fingerprint + "), and " + backend_->device() + ", " +
               backend_->product_name() + ", is " + backend_->instruction_set() +
               "; build the plan again on this device, or give one of that architecture";
  } else {
    message += ", and this processor runs " + backend_->instruction_set() +
               " at most; build the plan again on this machine";
  }
  return {StatusCode::kUnsupported, std::move(message)};
}

LoadReport EngineState::report() const {
  LoadReport report;
  report.phases = load_phases_;
  for (const auto& [what, spent] : code_->spent()) {
    report.phases.push_back({what, spent.times, spent.milliseconds});
  }
  report.warnings = code_->warnings();
  return report;
}

Result<std::shared_ptr<EngineState>> EngineState::open_on(Result<plan::PlanFile> file,
                                                          std::string_view device,
                                                          uint64_t memory_limit_bytes,
                                                          LoadTimer timer) {
  PENSTOCK_RETURN_IF_ERROR(file.status());
  const std::string kind = file->contents().backend;
  const bool is_chosen = !device.empty() && device != "auto";
  const std::string wanted = is_chosen ? std::string(device) : kind;
  // Of another kind: that is said whether or not the device is here.
  if (is_chosen && wanted != kind && wanted.substr(0, wanted.find(':')) != kind &&
      (wanted == "cpu" || wanted.rfind("cuda", 0) == 0)) {
    return Status(StatusCode::kInvalidArgument,
                  file->label() + " was built for " + kind + " (" +
                      file->contents().instruction_set + ") and does not run on '" + wanted +
                      "': give a device of kind " + kind + ", or build it again for " + wanted);
  }
  Result<std::shared_ptr<backends::Backend>> backend = ops::find_backend(wanted);
  if (!backend.is_ok()) {
    return Status(StatusCode::kUnsupported, file->label() + " was built for " + kind + " (" +
                                                file->contents().instruction_set +
                                                "), and device '" + wanted +
                                                "' cannot be had: " + backend.status().message());
  }
  if (memory_limit_bytes > 0) (*backend)->memory_budget().set_limit(memory_limit_bytes);
  timer.finish("device");
  return create(*std::move(file), *std::move(backend), ops::cpu_backend(), std::move(timer));
}

EngineState::~EngineState() {
  if (device_constants_ == nullptr) return;
  backend_->deallocate(device_constants_, device_constant_bytes_, backends::MemoryUse::kWeights);
}

// The constants that kernels of the device read, into its memory.
Status EngineState::upload_constants() {
  constexpr uint64_t kAlignment = 256;  // what CUDA's own allocations have
  std::map<uint64_t, uint64_t> bytes;   // by offset in the file
  for (const plan::Program& program : contents().programs) {
    for (const plan::Slot& slot : program.slots) {
      if (slot.kind != plan::Slot::Kind::kConstant || !slot.on_device) continue;
      bytes[slot.offset] = std::max(bytes[slot.offset], slot.bytes);
    }
  }
  if (bytes.empty()) return Status::ok();
  if (!is_mixed()) {
    return {StatusCode::kInvalidPlan, file_->label() +
                                          " contradicts itself: it has constants for a "
                                          "device, and was built for none"};
  }
  std::map<uint64_t, uint64_t> places;
  for (const auto& [offset, size] : bytes) {
    places[offset] = device_constant_bytes_;
    device_constant_bytes_ += (size + kAlignment - 1) / kAlignment * kAlignment;
  }
  const Result<void*> weights =
      backend_->allocate(device_constant_bytes_, backends::MemoryUse::kWeights);
  if (!weights.is_ok()) return weights.status().with_context(file_->label());
  device_constants_ = *weights;
  auto* memory = static_cast<std::byte*>(device_constants_);
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<backends::Stream> stream,
                            backend_->create_stream(1));
  for (const auto& [offset, size] : bytes) {
    PENSTOCK_RETURN_IF_ERROR(
        backend_->copy_in(memory + places[offset], file_->constants() + offset, size, *stream));
  }
  PENSTOCK_RETURN_IF_ERROR(stream->synchronize());
  for (const auto& program : programs_) program->set_device_constants(memory, places);
  return Status::ok();
}

}  // namespace penstock::runtime
