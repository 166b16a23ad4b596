// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/program.h"

namespace penstock::plan {
namespace {

Status corrupt(const std::string& what) {
  return {StatusCode::kInvalidPlan, "the plan contradicts itself: " + what};
}

bool overflows(uint64_t offset, uint64_t bytes, uint64_t limit) {
  return offset > limit || bytes > limit - offset;
}

Status check_slot(const Program& program, size_t i, uint64_t constants_bytes) {
  const Slot& slot = program.slots[i];
  if (size_of(slot.dtype) == 0) return corrupt("slot '" + slot.name + "' has no element type");
  const bool is_handle = slot.dtype == DataType::kSequence || slot.dtype == DataType::kOptional;
  if (is_handle != slot.element.has_value() ||
      (is_handle && (slot.kind == Slot::Kind::kConstant || !slot.shape.empty() ||
                     slot.layout != ir::Layout::kPlain))) {
    return corrupt("slot '" + slot.name + "' is " + std::string(to_string(slot.dtype)) +
                   ", which does not agree with what it holds");
  }
  // Both ends of a view must read the bytes the same way: a number is no address.
  if (slot.kind == Slot::Kind::kView && slot.view_of >= 0 &&
      static_cast<size_t>(slot.view_of) < i && program.slots[slot.view_of].dtype != slot.dtype &&
      !is_plain(slot.dtype)) {
    return corrupt("slot '" + slot.name + "' is a view of another type");
  }
  if (slot.shape.size() > 64) return corrupt("slot '" + slot.name + "' has too many axes");
  if (slot.kind == Slot::Kind::kView &&
      (slot.view_of < 0 || static_cast<size_t>(slot.view_of) >= i)) {
    return corrupt("slot '" + slot.name + "' is a view of no earlier slot");
  }
  if (slot.kind != Slot::Kind::kConstant) return Status::ok();
  if (!ir::is_constant(slot.shape))
    return corrupt("constant '" + slot.name + "' has no fixed shape");
  uint64_t need = size_of(slot.dtype);
  for (const ir::Dim& d : slot.shape) {
    if (d.constant() < 0 ||
        __builtin_mul_overflow(need, static_cast<uint64_t>(d.constant()), &need)) {
      return corrupt("constant '" + slot.name + "' has an impossible shape");
    }
  }
  if (overflows(slot.offset, slot.bytes, constants_bytes) ||
      (slot.format.empty() && slot.bytes < need) || slot.offset % 64 != 0) {
    return corrupt("constant '" + slot.name + "' lies outside the constants");
  }
  return Status::ok();
}

Status check_slots(const std::vector<int>& indices, size_t count, const std::string& where) {
  for (int index : indices) {
    if (index < -1 || index >= static_cast<int>(count))
      return corrupt(where + " names slot " + std::to_string(index));
  }
  return Status::ok();
}

Status check_step(const Program& program, const Step& step, size_t body) {
  const std::string where = "step '" + step.name + "'";
  PENSTOCK_RETURN_IF_ERROR(check_slots(step.inputs, program.slots.size(), where));
  PENSTOCK_RETURN_IF_ERROR(check_slots(step.outputs, program.slots.size(), where));
  for (int output : step.outputs) {
    if (output >= 0 && program.slots[output].kind != Slot::Kind::kActivation) {
      return corrupt(where + " writes '" + program.slots[output].name +
                     "', which is not its to write");
    }
  }
  for (int nested : step.bodies) {
    // A body comes after the body that holds its step, so nesting ends.
    if (nested <= static_cast<int>(body) || nested >= static_cast<int>(program.bodies.size())) {
      return corrupt(where + " names body " + std::to_string(nested));
    }
  }
  return Status::ok();
}

}  // namespace

int root_of(const Program& program, int slot) {
  while (program.slots[slot].kind == Slot::Kind::kView) slot = program.slots[slot].view_of;
  return slot;
}

Status validate(const Program& program, uint64_t constants_bytes) {
  if (program.bodies.empty()) return corrupt("it has no main body");
  for (size_t i = 0; i < program.slots.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(check_slot(program, i, constants_bytes));
  }
  for (size_t b = 0; b < program.bodies.size(); ++b) {
    const Body& body = program.bodies[b];
    for (const auto* list : {&body.inputs, &body.outputs}) {
      PENSTOCK_RETURN_IF_ERROR(check_slots(*list, program.slots.size(), "a body"));
      for (int slot : *list) {
        if (slot < 0) return corrupt("an input or output of a body is absent");
      }
    }
    for (const Step& step : body.steps) PENSTOCK_RETURN_IF_ERROR(check_step(program, step, b));
  }
  for (int input : program.bodies[0].inputs) {
    if (program.slots[input].kind != Slot::Kind::kInput)
      return corrupt("an input is not an input slot");
  }
  return Status::ok();
}

}  // namespace penstock::plan
