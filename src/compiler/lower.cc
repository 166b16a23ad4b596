// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/lower.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "tune/node_facts.h"

namespace penstock::compiler {
namespace {

using ir::Layout;
using ir::Node;
using ir::Value;
using plan::Slot;
using plan::Step;
using tune::Candidate;
using tune::NodeCandidates;

// As a plan file holds strings: offset and size of each, then the characters.
ir::ConstantRef stored_strings(const ir::Constant& strings) {
  const auto refs = strings.as<StringRef>();
  std::vector<uint64_t> places;
  std::string characters;
  for (const StringRef& ref : refs) {
    places.push_back(refs.size_bytes() + characters.size());
    places.push_back(ref.size);
    characters += ref.view();
  }
  std::vector<char> bytes(refs.size_bytes() + characters.size());
  if (!places.empty()) std::memcpy(bytes.data(), places.data(), refs.size_bytes());
  std::copy(characters.begin(), characters.end(), bytes.begin() + refs.size_bytes());
  return ir::make_constant(DataType::kUInt8, {static_cast<int64_t>(bytes.size())}, bytes);
}

class Lowering {
 public:
  Lowering(const ir::Graph& graph, tune::Tuner& tuner, const std::vector<size_t>& choice,
           const tune::SymbolValues& symbols, int threads, ConstantPool& pool)
      : graph_(graph),
        tuner_(tuner),
        choice_(choice),
        symbols_(symbols),
        threads_(threads),
        pool_(pool) {}

  Result<Lowered> run() {
    out_.program.bodies.emplace_back();
    for (const Value* input : graph_.main.inputs) {
      const int slot = add_slot(*input, Slot::Kind::kInput);
      if (input->contents) out_.program.slots[slot].contents = *input->contents;
      out_.program.bodies[0].inputs.push_back(slot);
    }
    PENSTOCK_RETURN_IF_ERROR(lower_region(graph_.main, 0));
    for (const Value* output : graph_.main.outputs) {
      PENSTOCK_ASSIGN_OR_RETURN(const int slot, output_slot(*output));
      out_.program.bodies[0].outputs.push_back(slot);
    }
    return std::move(out_);
  }

 private:
  int new_slot(Slot slot) {
    out_.program.slots.push_back(std::move(slot));
    return static_cast<int>(out_.program.slots.size()) - 1;
  }

  int add_slot(const Value& value, Slot::Kind kind, Layout layout = Layout::kPlain) {
    Slot slot;
    slot.name = value.name;
    slot.kind = kind;
    slot.dtype = value.dtype;
    slot.layout = layout;
    slot.shape = value.shape;
    slot.element = value.element;
    const int index = new_slot(std::move(slot));
    slots_[{&value, layout}] = index;
    if (kind != Slot::Kind::kConstant) written_as_[&value] = layout;
    return index;
  }

  Status lower_region(const ir::Region& region, size_t body) {
    for (const Node& node : region.nodes) {
      const NodeCandidates& candidates = tuner_.nodes()[next_node_];
      const Candidate& chosen = candidates.all[choice_[next_node_]];
      const size_t index = choice_[next_node_++];
      if (tune::is_view(node)) {
        PENSTOCK_RETURN_IF_ERROR(lower_view(node, body));
        continue;
      }
      PENSTOCK_RETURN_IF_ERROR(lower_node(node, candidates, chosen, index, body));
    }
    return Status::ok();
  }

  Status lower_view(const Node& node, size_t body) {
    PENSTOCK_ASSIGN_OR_RETURN(const int input, operand(*node.inputs[0], Layout::kPlain, body));
    const int slot = add_slot(*node.outputs[0], Slot::Kind::kView);
    out_.program.slots[slot].view_of = input;
    return Status::ok();
  }

  Status lower_node(const Node& node, const NodeCandidates& candidates, const Candidate& chosen,
                    size_t index, size_t body) {
    Step step;
    step.op = node.op;
    step.name = node.name;
    step.tactic = chosen.tactic->name();
    step.config = chosen.form.config;
    step.attributes = node.attributes;
    step.origins = node.origins;
    PENSTOCK_ASSIGN_OR_RETURN(std::vector<int> packed, pack(node, chosen));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      int slot = packed[i];
      if (node.inputs[i] != nullptr && slot < 0) {
        PENSTOCK_ASSIGN_OR_RETURN(slot, operand(*node.inputs[i], chosen.form.inputs[i], body));
      }
      step.inputs.push_back(slot);
    }
    for (auto& nested : node.regions) {
      const auto nested_body = out_.program.bodies.size();
      out_.program.bodies.emplace_back();
      step.bodies.push_back(static_cast<int>(nested_body));
      PENSTOCK_RETURN_IF_ERROR(lower_body(*nested, nested_body));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value* output = node.outputs[i];
      step.outputs.push_back(
          output == nullptr ? -1
                            : add_slot(*output, Slot::Kind::kActivation, chosen.form.outputs[i]));
    }
    push(std::move(step), body, {&candidates, index, chosen.microseconds});
    return Status::ok();
  }

  Status lower_body(const ir::Region& region, size_t body) {
    for (const Value* input : region.inputs) {
      const int slot = add_slot(*input, Slot::Kind::kActivation);
      out_.program.bodies[body].inputs.push_back(slot);
    }
    PENSTOCK_RETURN_IF_ERROR(lower_region(region, body));
    for (const Value* output : region.outputs) {
      PENSTOCK_ASSIGN_OR_RETURN(const int slot, operand(*output, Layout::kPlain, body));
      out_.program.bodies[body].outputs.push_back(slot);
    }
    return Status::ok();
  }

  void push(Step step, size_t body, LoweredStep line) {
    out_.program.bodies[body].steps.push_back(std::move(step));
    if (body == 0) out_.main_steps.push_back(line);
  }

  // The slot that holds `value` in `layout`, after adding a constant or a reorder where there is
  // none.
  Result<int> operand(const Value& value, Layout layout, size_t body) {
    if (auto it = slots_.find({&value, layout}); it != slots_.end()) return it->second;
    if (value.is_constant()) return add_constant(value, value.constant, "");
    const auto written = written_as_.find(&value);
    if (written == written_as_.end()) {
      return Status(StatusCode::kInternal, "lowering: '" + value.name + "' has no slot");
    }
    PENSTOCK_ASSIGN_OR_RETURN(const Candidate reorder,
                              tuner_.reorder(value, written->second, layout));
    Step step;
    step.op = "Reorder";
    step.name = value.name + "@" + std::string(ir::to_string(layout));
    step.tactic = reorder.tactic->name();
    step.config = reorder.form.config;
    step.attributes.set("layout", std::string(ir::to_string(layout)));
    step.inputs = {slots_.at({&value, written->second})};
    const Layout before = written->second;
    const int slot = add_slot(value, Slot::Kind::kActivation, layout);
    written_as_[&value] = before;
    out_.program.slots[slot].name = step.name;
    step.outputs = {slot};
    push(std::move(step), body, {nullptr, 0, reorder.microseconds});
    return slot;
  }

  int add_constant(const Value& value, const ir::ConstantRef& known, const std::string& format) {
    const ir::ConstantRef data = known->dtype == DataType::kString ? stored_strings(*known) : known;
    const uint64_t offset = pool_.add(data);
    const auto key =
        std::make_tuple(offset, data->bytes, format, to_string(value.shape), value.dtype);
    if (auto it = constants_.find(key); it != constants_.end()) return it->second;
    Slot slot;
    slot.name = value.name;
    slot.kind = Slot::Kind::kConstant;
    slot.dtype = value.dtype;
    slot.shape = value.shape;
    slot.format = format;
    slot.offset = offset;
    slot.bytes = data->bytes;
    return constants_[key] = new_slot(std::move(slot));
  }

  // Slots of the constants that the tactic repacks, -1 elsewhere.
  Result<std::vector<int>> pack(const Node& node, const Candidate& chosen) {
    std::vector<int> slots(node.inputs.size(), -1);
    backends::NodeFacts facts = tune::make_facts(node, symbols_, threads_);
    tune::apply_form(chosen.form, facts);
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<backends::PackedConstant> packed,
                              chosen.tactic->pack(facts));
    for (const backends::PackedConstant& constant : packed) {
      slots[constant.input] =
          add_constant(*node.inputs[constant.input], constant.data, constant.format);
    }
    return slots;
  }

  // A graph output needs memory of its own under its own name: views of inputs and constants, and
  // values that are two outputs, are copied.
  Result<int> output_slot(const Value& value) {
    PENSTOCK_ASSIGN_OR_RETURN(const int slot, operand(value, Layout::kPlain, 0));
    const int root = plan::root_of(out_.program, slot);
    const Slot::Kind kind = out_.program.slots[root].kind;
    const bool own = kind == Slot::Kind::kActivation && output_roots_.insert(root).second;
    if (own) {
      out_.program.slots[slot].name = value.name;
      return slot;
    }
    Step step;
    step.op = "Copy";
    step.name = value.name;
    step.tactic = "reference.Copy";
    step.inputs = {slot};
    Slot copy;
    copy.name = value.name;
    copy.dtype = value.dtype;
    copy.shape = value.shape;
    copy.element = value.element;
    const int copied = new_slot(std::move(copy));
    step.outputs = {copied};
    output_roots_.insert(copied);
    push(std::move(step), 0, {nullptr, 0, 0});
    return copied;
  }

  const ir::Graph& graph_;
  tune::Tuner& tuner_;
  const std::vector<size_t>& choice_;
  const tune::SymbolValues& symbols_;
  int threads_;
  ConstantPool& pool_;
  Lowered out_;
  size_t next_node_ = 0;
  std::map<std::pair<const Value*, Layout>, int> slots_;
  std::map<const Value*, Layout> written_as_;
  std::map<std::tuple<uint64_t, size_t, std::string, std::string, DataType>, int> constants_;
  std::set<int> output_roots_;
};

}  // namespace

Result<Lowered> lower(const ir::Graph& graph, tune::Tuner& tuner, const std::vector<size_t>& choice,
                      const tune::SymbolValues& symbols, int threads, ConstantPool& pool) {
  return Lowering(graph, tuner, choice, symbols, threads, pool).run();
}

}  // namespace penstock::compiler
