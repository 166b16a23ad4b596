// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// From the shapes and values of inputs to a profile and a binding.
#include <array>

#include "ir/graph.h"
#include "runtime/context_state.h"
#include "runtime/late.h"
#include "runtime/profile_limits.h"

namespace penstock::runtime {
namespace {

using plan::DimTable;

constexpr size_t kMostPrepared = 8;

int64_t element(const void* data, DataType dtype, size_t i) {
  return dtype == DataType::kInt32 ? static_cast<const int32_t*>(data)[i]
                                   : static_cast<const int64_t*>(data)[i];
}

}  // namespace

Status ContextState::set_profile(int index) {
  const size_t count = engine_->profile_count();
  if (index != kAutomaticProfile && (index < 0 || static_cast<size_t>(index) >= count)) {
    return {StatusCode::kInvalidArgument, "no profile " + std::to_string(index) +
                                              "; the plan has " + std::to_string(count) +
                                              ", numbered from 0"};
  }
  if (index == wanted_profile_) return Status::ok();
  (void)wait();
  wanted_profile_ = index;
  shapes_changed_ = true;
  return Status::ok();
}

int ContextState::profile() const {
  if (wanted_profile_ != kAutomaticProfile) return wanted_profile_;
  return prepared_ == nullptr ? -1 : static_cast<int>(profile_);
}

// Against the profile that was asked for, or, where shapes choose it, against all.
Status ContextState::check_limits(size_t input, const Shape& shape) const {
  const std::vector<OptimizationProfile>& profiles = engine_->profiles();
  const std::string& name = engine_->inputs()[input].name;
  if (profiles.size() == 1) return runtime::check_shape(profiles[0], "the profile", name, shape);
  if (wanted_profile_ != kAutomaticProfile) {
    return runtime::check_shape(profiles[static_cast<size_t>(wanted_profile_)],
                                "profile " + std::to_string(wanted_profile_), name, shape);
  }
  for (const OptimizationProfile& profile : profiles) {
    if (runtime::check_shape(profile, "", name, shape).is_ok()) return Status::ok();
  }
  return {StatusCode::kInvalidArgument,
          "input '" + name + "' of shape " + to_string(shape) + " is outside every profile: " +
              shape_limits(profiles, name) + " (build with a profile that covers it)"};
}

// All inputs against one profile.
Status ContextState::check_profile(size_t index) const {
  const OptimizationProfile& profile = engine_->profiles()[index];
  const std::string name =
      engine_->profile_count() == 1 ? "the profile" : "profile " + std::to_string(index);
  for (size_t i = 0; i < input_shapes_.size(); ++i) {
    if (!input_set_[i]) continue;  // found missing where symbols are told
    PENSTOCK_RETURN_IF_ERROR(
        runtime::check_shape(profile, name, engine_->inputs()[i].name, input_shapes_[i]));
  }
  for (size_t i : engine_->shape_inputs()) {
    if (!values_known_[i]) continue;
    PENSTOCK_RETURN_IF_ERROR(check_values(profile, name, engine_->inputs()[i].name, values_[i]));
  }
  return Status::ok();
}

Status ContextState::no_profile_fits() const {
  const std::vector<OptimizationProfile>& profiles = engine_->profiles();
  std::string given;
  std::string limits;
  for (size_t i = 0; i < input_shapes_.size(); ++i) {
    const std::string& name = engine_->inputs()[i].name;
    if (profiles[0].inputs.count(name) == 0 || !input_set_[i]) continue;
    given += (given.empty() ? "'" : ", '") + name + "' of shape " + to_string(input_shapes_[i]);
    limits += "; '" + name + "': " + shape_limits(profiles, name);
  }
  for (size_t i : engine_->shape_inputs()) {
    const std::string& name = engine_->inputs()[i].name;
    if (!values_known_[i]) continue;
    given += (given.empty() ? "'" : ", '") + name + "' that holds " + to_string(values_[i]);
    limits += "; '" + name + "': " + value_limits(profiles, name);
  }
  return {StatusCode::kInvalidArgument,
          "no profile takes " + given + " together" + limits + " (build with one that does)"};
}

// Takes the values of shape inputs from where they lie.
void ContextState::read_values() {
  for (size_t i : engine_->shape_inputs()) {
    const void* data = input_addresses_[i];
    std::array<std::byte, 8 * 64> copy{};  // values stand for extents: they are few
    const size_t bytes = values_[i].size() * size_of(engine_->inputs()[i].dtype);
    if (engine_->is_mixed() && data != nullptr && bytes <= copy.size() &&
        engine_->backend().can_reach(data)) {
      const Status copied = engine_->backend().copy_out(copy.data(), data, bytes, *stream_);
      data = copied.is_ok() && stream_->synchronize().is_ok() ? copy.data() : nullptr;
    }
    bool changed = values_known_[i] != (data != nullptr);
    for (size_t k = 0; data != nullptr && k < values_[i].size(); ++k) {
      const int64_t value = element(data, engine_->inputs()[i].dtype, k);
      changed = changed || values_[i][k] != value;
      values_[i][k] = value;
    }
    values_known_[i] = data != nullptr;
    if (!changed) continue;
    (void)wait();
    shapes_changed_ = true;
  }
}

// The profile to run under, which takes all inputs.
Result<size_t> ContextState::choose_profile() const {
  if (wanted_profile_ != kAutomaticProfile || engine_->profile_count() == 1) {
    const size_t index = wanted_profile_ < 0 ? 0 : static_cast<size_t>(wanted_profile_);
    PENSTOCK_RETURN_IF_ERROR(check_profile(index));
    return index;
  }
  for (size_t i = 0; i < engine_->profile_count(); ++i) {
    if (check_profile(i).is_ok()) return i;
  }
  return no_profile_fits();
}

void ContextState::use_program(size_t index) {
  if (index == profile_) return;
  (void)wait();
  if (late_ != nullptr) late_->release_memory();
  profile_ = index;
  program_ = &engine_->program(index);
  late_ = runs_[index].late.get();
  slot_addresses_.assign(program_->program().slots.size(), nullptr);
  slot_allocators_.assign(slot_addresses_.size(), nullptr);
  for (size_t i = 0; i < input_addresses_.size(); ++i) {
    slot_addresses_[program_->main().inputs[i]] = input_addresses_[i];
  }
  for (size_t i = 0; i < output_addresses_.size(); ++i) {
    const int root = program_->root_of(program_->main().outputs[i]);
    slot_addresses_[root] = output_addresses_[i];
    slot_allocators_[root] = allocators_[i];
  }
}

// The symbols that stand bare in an input's shape, and those of its values; the same symbol must
// have one value.
Status ContextState::tell_symbols(size_t input, std::vector<int64_t>& symbols,
                                  std::vector<int>& told_by) const {
  const TensorInfo& info = engine_->inputs()[input];
  const Shape& shape = input_shapes_[input];
  const std::vector<int>& dims = program_->slot_dims()[program_->main().inputs[input]];
  for (size_t d = 0; d < dims.size(); ++d) {
    const int symbol = program_->dims().bare_symbol(dims[d]);
    if (symbol < 0) continue;
    if (told_by[symbol] >= 0 && symbols[symbol] != shape[d]) {
      return {StatusCode::kInvalidArgument,
              "inputs disagree: '" + info.dims[d] + "' is " + std::to_string(symbols[symbol]) +
                  " in '" + engine_->inputs()[told_by[symbol]].name + "' and " +
                  std::to_string(shape[d]) + " in '" + info.name + "'"};
    }
    symbols[symbol] = shape[d];
    told_by[symbol] = static_cast<int>(input);
  }
  const std::vector<int>& values = program_->value_symbols()[input];
  for (size_t k = 0; values_known_[input] && k < values.size(); ++k) {
    if (values[k] >= 0) symbols[values[k]] = values_[input][k];
  }
  return Status::ok();
}

Result<std::vector<int64_t>> ContextState::symbols_of_inputs() const {
  std::vector<int64_t> symbols(program_->dims().symbol_count(), DimTable::kUnknown);
  std::vector<int> told_by(symbols.size(), -1);
  for (size_t i = 0; i < input_shapes_.size(); ++i) {
    if (!input_set_[i]) {
      return Status(StatusCode::kInvalidArgument, "input '" + engine_->inputs()[i].name +
                                                      "' varies in shape: set its shape before "
                                                      "running");
    }
    PENSTOCK_RETURN_IF_ERROR(tell_symbols(i, symbols, told_by));
  }
  return symbols;
}

Status ContextState::make_prepared(const std::vector<int64_t>& symbols) {
  Prepared fresh;
  PENSTOCK_ASSIGN_OR_RETURN(fresh.binding, program_->bind(symbols, host_stream(*stream_).width()));
  const auto& steps = program_->steps(0);
  for (size_t i = 0; i < steps.size(); ++i) {
    fresh.frames.push_back(nullptr);
    if (steps[i].late) continue;
    fresh.frames.back() = std::make_unique<StepFrame>(*this, steps[i], *fresh.binding);
    fresh.frames.back()->set_state(fresh.binding->kernels[i]->create_state());
  }
  std::list<Prepared>& recent = runs_[profile_].recent;
  recent.push_front(std::move(fresh));
  if (recent.size() > kMostPrepared) recent.pop_back();
  return Status::ok();
}

Status ContextState::bind() {
  prepared_ = nullptr;
  PENSTOCK_ASSIGN_OR_RETURN(const size_t profile, choose_profile());
  use_program(profile);
  for (size_t i : engine_->shape_inputs()) {
    if (!values_known_[i]) PENSTOCK_RETURN_IF_ERROR(check_addresses());
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> symbols, symbols_of_inputs());
  std::list<Prepared>& recent = runs_[profile_].recent;
  auto known = recent.begin();
  while (known != recent.end() && known->binding->symbols != symbols) ++known;
  if (known != recent.end()) {
    recent.splice(recent.begin(), recent, known);
  } else {
    PENSTOCK_RETURN_IF_ERROR(make_prepared(symbols));
  }
  prepared_ = &recent.front();
  return Status::ok();
}

}  // namespace penstock::runtime
