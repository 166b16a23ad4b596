// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "plan/memory_planner.h"
#include "runtime/program_state.h"

namespace penstock::runtime {
namespace {

using plan::Slot;

// Marks the last main step that reads each slot's memory, nested bodies included.
void mark_uses(const ProgramState& state, size_t body, int at, std::vector<int>& last_use) {
  for (const StepCode& code : state.steps(body)) {
    for (const auto* list : {&code.step->inputs, &code.step->outputs}) {
      for (int slot : *list) {
        if (slot >= 0) last_use[state.root_of(slot)] = std::max(last_use[state.root_of(slot)], at);
      }
    }
    for (int nested : code.step->bodies) mark_uses(state, nested, at, last_use);
  }
  for (int slot : state.program().bodies[body].outputs) {
    last_use[state.root_of(slot)] = std::max(last_use[state.root_of(slot)], at);
  }
}

bool reads_root_once(const ProgramState& state, const plan::Step& step, int root) {
  return std::count_if(step.inputs.begin(), step.inputs.end(),
                       [&](int slot) { return slot >= 0 && state.root_of(slot) == root; }) == 1;
}

}  // namespace

void ProgramState::find_last_uses() {
  last_uses_.assign(program().slots.size(), -1);
  const auto& steps = bodies_[0];
  for (size_t i = 0; i < steps.size(); ++i) {
    for (int slot : steps[i].step->inputs) {
      if (slot >= 0) last_uses_[roots_[slot]] = static_cast<int>(i);
    }
    for (int nested : steps[i].step->bodies) {
      mark_uses(*this, nested, static_cast<int>(i), last_uses_);
    }
  }
  for (int slot : main().outputs) last_uses_[roots_[slot]] = static_cast<int>(steps.size());
}

void ProgramState::plan_arena(Binding& binding, int threads) const {
  const std::vector<int>& last_use = last_uses_;
  const std::vector<StepCode>& steps = bodies_[0];
  std::array<std::vector<plan::Block>, 2> blocks;  // of the host, of the device
  std::vector<int> block_of(program().slots.size(), -1);
  std::vector<int> workspace_block(steps.size(), -1);
  std::vector<bool> is_output(program().slots.size(), false);
  for (int slot : main().outputs) is_output[roots_[slot]] = true;

  const auto storage = [&](int slot) {
    const Slot& facts = program().slots[slot];
    return ir::storage_bytes(facts.dtype, binding.shapes[slot], facts.layout);
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].late) continue;
    const plan::Step& step = *steps[i].step;
    const int at = static_cast<int>(i);
    if (binding.kernels[i]->workspace_bytes() > 0) {
      std::vector<plan::Block>& place = blocks[steps[i].on_device ? 1 : 0];
      workspace_block[i] = static_cast<int>(place.size());
      place.push_back({binding.kernels[i]->workspace_bytes(), at, at, -1});
    }
    const backends::NodeFacts node =
        facts(steps[i], binding.symbols, threads, [&](int slot) { return binding.shapes[slot]; });
    for (size_t o = 0; o < step.outputs.size(); ++o) {
      const int slot = step.outputs[o];
      if (slot < 0 || is_output[slot]) continue;
      plan::Block block{storage(slot), at, std::max(at, last_use[slot]), -1};
      for (size_t j = 0; o == 0 && j < step.inputs.size() && block.same_place_as < 0; ++j) {
        if (step.inputs[j] < 0) continue;
        const int root = roots_[step.inputs[j]];
        if (block_of[root] >= 0 && last_use[root] == at &&
            program().slots[root].on_device == program().slots[slot].on_device &&
            storage(step.inputs[j]) == block.bytes && reads_root_once(*this, step, root) &&
            steps[i].tactic->can_run_in_place(node, j)) {
          block.same_place_as = block_of[root];
        }
      }
      std::vector<plan::Block>& place = blocks[program().slots[slot].on_device ? 1 : 0];
      block_of[slot] = static_cast<int>(place.size());
      place.push_back(block);
    }
  }
  const std::array memory = {plan::plan_memory(blocks[0]), plan::plan_memory(blocks[1])};
  const auto offset = [&](int block, bool on_device) {
    return block < 0 ? int64_t{-1} : static_cast<int64_t>(memory[on_device ? 1 : 0].offsets[block]);
  };
  for (size_t i = 0; i < block_of.size(); ++i) {
    binding.slot_offsets.push_back(offset(block_of[i], program().slots[i].on_device));
  }
  for (size_t i = 0; i < workspace_block.size(); ++i) {
    binding.workspace_offsets.push_back(offset(workspace_block[i], steps[i].on_device));
  }
  binding.arena_bytes = memory[0].peak_bytes;
  binding.device_arena_bytes = memory[1].peak_bytes;
  binding.activation_bytes = memory[0].total_bytes + memory[1].total_bytes;
}

}  // namespace penstock::runtime
