// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/program.h"

#include <algorithm>

#include "plan/contract.h"

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
  if (slot.contract && !check(*slot.contract).is_ok()) {
    return corrupt("what it expects of '" + slot.name + "' makes no sense");
  }
  if (slot.shape.size() > 64) return corrupt("slot '" + slot.name + "' has too many axes");
  if (slot.kind == Slot::Kind::kView &&
      (slot.view_of < 0 || static_cast<size_t>(slot.view_of) >= i)) {
    return corrupt("slot '" + slot.name + "' is a view of no earlier slot");
  }
  if (slot.kind == Slot::Kind::kView && program.slots[slot.view_of].on_device != slot.on_device) {
    return corrupt("slot '" + slot.name + "' is a view of memory elsewhere");
  }
  if (slot.on_device && !is_plain(slot.dtype)) {
    return corrupt("slot '" + slot.name + "' of " + std::string(to_string(slot.dtype)) +
                   " is on the device");
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

template <typename Range>
bool has_ranks(const Range& range, size_t rank) {
  return range.min.size() == rank && range.opt.size() == rank && range.max.size() == rank;
}

// The symbols of values stand for extents, which are never negative.
bool is_plannable(const Slot& input, const ValueRange& values) {
  return input.contents.size() == values.min.size() &&
         std::all_of(values.min.begin(), values.min.end(), [](int64_t least) { return least > 0; });
}

// Ranges and contents of inputs, as long as the inputs that they belong to.
Status check_profile(const Program& program) {
  for (int input : program.bodies[0].inputs) {
    const Slot& slot = program.slots[input];
    const auto shapes = program.profile.inputs.find(slot.name);
    if (shapes != program.profile.inputs.end() && !has_ranks(shapes->second, slot.shape.size())) {
      return corrupt("the profile of input '" + slot.name + "' is of another rank");
    }
    const auto values = program.profile.values.find(slot.name);
    const bool has_values = values != program.profile.values.end();
    if (!has_values && slot.contents.empty()) continue;
    const ir::Dim count = ir::element_count(slot.shape);
    const bool is_integer = slot.dtype == DataType::kInt32 || slot.dtype == DataType::kInt64;
    if (!has_values || !is_integer || slot.shape.size() > 1 ||
        !count.is_constant(static_cast<int64_t>(values->second.min.size())) ||
        !has_ranks(values->second, values->second.min.size()) ||
        (!slot.contents.empty() && !is_plannable(slot, values->second))) {
      return corrupt("the profile of the values of input '" + slot.name + "' does not fit it");
    }
  }
  return Status::ok();
}

}  // namespace

int root_of(const Program& program, int slot) {
  while (program.slots[slot].kind == Slot::Kind::kView) slot = program.slots[slot].view_of;
  return slot;
}

namespace {

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
  return check_profile(program);
}

// What callers see of an input or output.
bool same_interface(const Slot& a, const Slot& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.contents == b.contents &&
         a.element == b.element && a.contract == b.contract;
}

bool same_interface(const Program& a, const Program& b) {
  const auto same = [&](const std::vector<int>& left, const std::vector<int>& right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [&](int i, int j) { return same_interface(a.slots[i], b.slots[j]); });
  };
  return same(a.bodies[0].inputs, b.bodies[0].inputs) &&
         same(a.bodies[0].outputs, b.bodies[0].outputs);
}

}  // namespace

Status validate(const Contents& contents, uint64_t constants_bytes) {
  if (contents.programs.empty()) return corrupt("it has no program");
  for (const Program& program : contents.programs) {
    PENSTOCK_RETURN_IF_ERROR(validate(program, constants_bytes));
    if (!same_interface(program, contents.programs.front())) {
      return corrupt("its profiles differ in inputs or outputs");
    }
  }
  return Status::ok();
}

}  // namespace penstock::plan
