// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/program_state.h"

#include <algorithm>
#include <cstring>

#include "ir/graph.h"
#include "ir/late.h"
#include "ir/storage.h"
#include "ops/custom/custom.h"
#include "runtime/bind_kernel.h"

namespace penstock::runtime {
namespace {

constexpr size_t kMostBindings = 32;
constexpr std::string_view kBinding = "bindings";

using plan::DimTable;
using plan::Slot;

}  // namespace

Status ProgramState::resolve() {
  PENSTOCK_RETURN_IF_ERROR(resolve_strings());
  const plan::Program& program = this->program();
  for (size_t i = 0; i < program.slots.size(); ++i) {
    const Slot& slot = program.slots[i];
    roots_.push_back(slot.kind == Slot::Kind::kView ? roots_[slot.view_of] : static_cast<int>(i));
    std::vector<int> dims;
    for (const ir::Dim& d : slot.shape) dims.push_back(dims_.add(d));
    slot_dims_.push_back(std::move(dims));
    late_slots_.push_back(ir::is_data_dependent(slot.shape));
  }
  // A slot shares its fate with all views of its memory.
  for (size_t i = 0; i < roots_.size(); ++i) {
    if (late_slots_[i]) late_slots_[roots_[i]] = true;
  }
  for (size_t b = 0; b < program.bodies.size(); ++b) {
    std::vector<StepCode> codes;
    for (const plan::Step& step : program.bodies[b].steps) {
      codes.push_back({&step, nullptr, false, false, {}});
      PENSTOCK_RETURN_IF_ERROR(resolve_step(codes.back(), b != 0));
    }
    bodies_.push_back(std::move(codes));
  }
  for (size_t i = 0; i < roots_.size(); ++i)
    late_slots_[i] = late_slots_[i] || late_slots_[roots_[i]];
  find_last_uses();
  device_constants_.resize(program.slots.size());
  is_recordable_ = std::all_of(bodies_[0].begin(), bodies_[0].end(), [](const StepCode& code) {
    return code.on_device && !code.late && code.step->tactic != TransferTactic::kName;
  });
  for (int slot : main().inputs) {
    inputs_.push_back(describe(slot));
    std::vector<int> symbols;
    for (const ir::Dim& d : program.slots[slot].contents) {
      symbols.push_back(dims_.bare_symbol(dims_.add(d)));
    }
    value_symbols_.push_back(std::move(symbols));
  }
  for (int slot : main().outputs) outputs_.push_back(describe(slot));
  return Status::ok();
}

void ProgramState::set_device_constants(const std::byte* memory,
                                        const std::map<uint64_t, uint64_t>& offsets) {
  for (size_t i = 0; i < program().slots.size(); ++i) {
    const Slot& slot = program().slots[i];
    if (slot.kind != Slot::Kind::kConstant || !slot.on_device) continue;
    device_constants_[i] = memory + offsets.at(slot.offset);
  }
}

// A string constant lies in the file as offsets and sizes, from the constant's start, and then the
// characters: here they get addresses.
Status ProgramState::resolve_strings() {
  strings_.resize(program().slots.size());
  for (size_t i = 0; i < strings_.size(); ++i) {
    const Slot& slot = program().slots[i];
    if (slot.kind != Slot::Kind::kConstant || slot.dtype != DataType::kString) continue;
    const auto* bytes = reinterpret_cast<const char*>(file_->constants() + slot.offset);
    const auto count = static_cast<size_t>(ir::element_count(slot.shape).constant());
    for (size_t k = 0; k < count; ++k) {
      uint64_t place[2];  // offset and size
      std::memcpy(place, bytes + k * sizeof(place), sizeof(place));
      if (place[0] > slot.bytes || place[1] > slot.bytes - place[0]) {
        return {StatusCode::kInvalidPlan, file_->label() + " contradicts itself: string " +
                                              std::to_string(k) + " of constant '" + slot.name +
                                              "' lies outside of it; build the plan again"};
      }
      strings_[i].push_back({bytes + place[0], place[1]});
    }
  }
  return Status::ok();
}

Status ProgramState::resolve_step(StepCode& code, bool nested) {
  const plan::Step& step = *code.step;
  const bool is_mixed = backend_ != host_;
  code.tactic = is_mixed && step.tactic == TransferTactic::kName
                    ? &transfer_
                    : backend_->find_tactic(step.tactic);
  code.on_device = is_mixed && code.tactic != nullptr;
  if (is_mixed && code.tactic == nullptr) code.tactic = host_->find_tactic(step.tactic);
  if (code.tactic == nullptr) {
    return {StatusCode::kUnsupported,
            file_->label() + ": step '" + step.name + "' needs tactic '" + step.tactic +
                "', which is not here; " +
                (ops::is_custom_op_name(step.op) ? "register the operator before loading the plan"
                                                 : "build the plan again")};
  }
  for (const auto& [name, value] : step.attributes.all()) {
    const auto* shape = std::get_if<ir::SymbolicShape>(&value);
    if (shape == nullptr) continue;
    for (const ir::Dim& d : *shape) code.attribute_dims.push_back(dims_.add(d));
  }
  bool touches_late = false;
  for (const auto* list : {&step.inputs, &step.outputs}) {
    for (int slot : *list) {
      touches_late =
          touches_late || (slot >= 0 && (late_slots_[slot] || late_slots_[roots_[slot]]));
    }
  }
  code.late = ir::is_late(step.attributes, !step.bodies.empty(), nested, touches_late);
  if (code.late && code.on_device) {
    return {StatusCode::kInvalidPlan, file_->label() + " contradicts itself: step '" + step.name +
                                          "' depends on data, and is the device's"};
  }
  PENSTOCK_RETURN_IF_ERROR(check_places(code));
  // Memory of what a late step writes is managed with the late values.
  if (code.late) {
    for (int slot : step.outputs) {
      if (slot >= 0) late_slots_[slot] = true;
    }
  }
  return Status::ok();
}

TensorInfo ProgramState::describe(int slot) const {
  const Slot& facts = program().slots[slot];
  TensorInfo info{facts.name, facts.dtype, {}, {}};
  if (facts.element) {
    const bool optional = facts.dtype == DataType::kOptional;
    info.dtype = facts.element->dtype;
    info.kind = !optional                    ? ValueKind::kSequence
                : facts.element->is_sequence ? ValueKind::kOptionalSequence
                                             : ValueKind::kOptionalTensor;
    info.has_rank = facts.element->rank == ir::ElementType::Rank::kKnown;
  }
  for (const ir::Dim& d : facts.element ? facts.element->shape : facts.shape) {
    info.shape.push_back(d.is_constant() ? d.constant() : -1);
    info.dims.push_back(d.is_constant(-1) ? "?" : d.to_string());
  }
  return info;
}

// A kernel reads and writes where it runs; a transfer goes from one place to the other.
Status ProgramState::check_places(const StepCode& code) const {
  const plan::Step& step = *code.step;
  const bool is_transfer = code.tactic == &transfer_;
  const bool to_device = step.config == "to_device";
  bool fits = !is_transfer || (step.inputs.size() == 1 && step.outputs.size() == 1 &&
                               step.inputs[0] >= 0 && step.outputs[0] >= 0);
  for (int slot : step.inputs) {
    const bool wanted = is_transfer ? !to_device : code.on_device;
    fits = fits && (slot < 0 || program().slots[slot].on_device == wanted);
  }
  for (int slot : step.outputs) {
    const bool wanted = is_transfer ? to_device : code.on_device;
    fits = fits && (slot < 0 || program().slots[slot].on_device == wanted);
  }
  if (fits) return Status::ok();
  return {StatusCode::kInvalidPlan, file_->label() + " contradicts itself: step '" + step.name +
                                        "' has operands where it cannot reach them"};
}

Result<std::shared_ptr<const Binding>> ProgramState::bind(const std::vector<int64_t>& symbols,
                                                          int threads) {
  {
    std::lock_guard lock(mutex_);
    for (auto it = bindings_.begin(); it != bindings_.end(); ++it) {
      if (it->threads == threads && it->symbols == symbols) {
        bindings_.splice(bindings_.begin(), bindings_, it);
        return it->binding;
      }
    }
  }
  // Made outside the lock: another context's bind must not wait for this one's kernels.
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<const Binding> binding, make_binding(symbols, threads));
  std::lock_guard lock(mutex_);
  bindings_.push_front({symbols, threads, binding});
  if (bindings_.size() > kMostBindings) bindings_.pop_back();
  return binding;
}

Result<std::shared_ptr<const Binding>> ProgramState::make_binding(
    const std::vector<int64_t>& symbols, int threads) const {
  auto binding = std::make_shared<Binding>();
  binding->symbols = symbols;
  const size_t slots = program().slots.size();
  binding->shapes.resize(slots);
  binding->known.assign(slots, false);
  for (size_t i = 0; i < slots; ++i) {
    bool known = true;
    for (int dim : slot_dims_[i]) {
      const int64_t extent = dims_.evaluate(dim, symbols);
      known = known && extent >= 0;
      // A late step is checked when it runs: it may stand in a branch that is not taken.
      if (extent < 0 && !late_slots_[i] && !ir::is_data_dependent(program().slots[i].shape)) {
        return Status(StatusCode::kInvalidArgument,
                      "these input shapes do not go together: '" + program().slots[i].name +
                          "' would have shape " + ir::to_string(program().slots[i].shape) +
                          ", with an extent that is negative or broadcast from two that differ");
      }
      binding->shapes[i].push_back(extent);
    }
    binding->known[i] = known;
    if (!known) continue;
    PENSTOCK_RETURN_IF_ERROR(ir::check_storage(program().slots[i].dtype, binding->shapes[i])
                                 .with_context("'" + program().slots[i].name + "'"));
    const auto root = static_cast<size_t>(roots_[i]);
    if (root == i || !binding->known[root]) continue;
    PENSTOCK_RETURN_IF_ERROR(
        check_view(static_cast<int>(i), binding->shapes[i], binding->shapes[root]));
  }
  PENSTOCK_RETURN_IF_ERROR(bind_kernels(*binding, threads));
  plan_arena(*binding, threads);
  return std::shared_ptr<const Binding>(std::move(binding));
}

Status ProgramState::check_view(int slot, const Shape& shape, const Shape& root_shape) const {
  const Slot& view = program().slots[slot];
  const Slot& root = program().slots[roots_[slot]];
  const auto bytes = [](const Slot& facts, const Shape& extents) {
    return static_cast<uint64_t>(element_count(extents)) * size_of(facts.dtype);
  };
  if (bytes(view, shape) == bytes(root, root_shape)) return Status::ok();
  return {StatusCode::kInvalidArgument,
          "'" + view.name + "' would have shape " + penstock::to_string(shape) + ", and '" +
              root.name + "', whose elements it takes, has shape " +
              penstock::to_string(root_shape) + ": these inputs do not fit together"};
}

Status ProgramState::bind_kernels(Binding& binding, int threads) const {
  const std::vector<StepCode>& steps = bodies_[0];
  binding.kernels.resize(steps.size());
  const backends::CurrentDeviceCode code(*code_);
  const backends::SpentTimer timer(kBinding);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].late) continue;
    const backends::NodeFacts node =
        facts(steps[i], binding.symbols, threads, [&](int slot) { return binding.shapes[slot]; });
    Result<std::unique_ptr<backends::Kernel>> kernel = bind_kernel(*steps[i].tactic, node);
    if (!kernel.is_ok()) {
      return kernel.status().with_context("step '" + node.name + "' (" + node.op + ", " +
                                          std::string(steps[i].tactic->name()) + ")");
    }
    binding.kernels[i] = *std::move(kernel);
  }
  return Status::ok();
}

}  // namespace penstock::runtime
