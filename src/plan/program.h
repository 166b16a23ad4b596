// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/input_contract.h>
#include <penstock/profile.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/element_type.h"
#include "ir/layout.h"

namespace penstock::plan {

// Where one value of a program lives while it runs.
struct Slot {
  enum class Kind : uint8_t {
    kInput,       // the caller's memory
    kActivation,  // the context's arena, or the caller's memory where it is an output
    kConstant,    // the plan file, mapped
    kView,        // the bytes of another slot under another shape
  };
  std::string name;
  Kind kind = Kind::kActivation;
  DataType dtype = DataType::kUndefined;
  ir::Layout layout = ir::Layout::kPlain;
  ir::SymbolicShape shape;
  uint64_t offset = 0;  // constants: from the start of the constants section, a multiple of 64
  uint64_t bytes = 0;   // constants
  std::string format;   // constants: the tactic's packed form, empty where row-major
  int view_of = -1;     // views: a slot with a smaller number
  std::optional<ir::ElementType> element;  // what a sequence or an optional holds
  // In memory of the plan's device, where that has its own; else in the host's.
  bool on_device = false;
  // Inputs: the symbols that stand for the values of a shape input, empty where it is none.
  ir::SymbolicShape contents = {};
  std::optional<InputContract> contract = std::nullopt;  // inputs: what they are expected to hold
};

// One kernel call, everything about it decided.
struct Step {
  std::string op;
  std::string name;
  std::string tactic;
  std::string config;
  ir::Attributes attributes;
  std::vector<int> inputs;           // slots; -1 where absent
  std::vector<int> outputs;          // slots; -1 where not wanted
  std::vector<int> bodies;           // nested bodies of control flow
  std::vector<std::string> origins;  // ONNX nodes
};

struct Body {
  std::vector<int> inputs;
  std::vector<int> outputs;
  std::vector<Step> steps;
};

// What a plan runs under one profile. bodies[0] is the main one; others belong to control-flow
// steps.
struct Program {
  OptimizationProfile profile;
  std::vector<Slot> slots;
  std::vector<Body> bodies;
};

// All of a plan but its report and its constants, which the programs share.
struct Contents {
  std::string model_name;
  std::string backend;            // "cpu"
  std::string instruction_set;    // what its constants and tactics need
  std::string fingerprint;        // the machine it was tuned on
  int threads = 1;                // the stream width it was tuned for
  std::vector<Program> programs;  // one for each profile; their inputs and outputs are the same
};

// The slot whose memory a view shares; the slot itself where it is no view.
int root_of(const Program& program, int slot);

// Every index in range, views acyclic, constants inside `constants_bytes`, the same inputs and
// outputs under every profile: what makes a plan that came from a file safe to run.
Status validate(const Contents& contents, uint64_t constants_bytes);

// JSON text of a plan's contents, and back. Equal contents give equal bytes.
std::string to_json(const Contents& contents);
Result<Contents> contents_from_json(std::string_view text);

}  // namespace penstock::plan
