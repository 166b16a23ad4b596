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
    find_device_inputs();
    for (const Value* input : graph_.main.inputs) {
      const int slot =
          define(*input, Slot::Kind::kInput, Layout::kPlain, device_inputs_.count(input) != 0);
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

  // Inputs that a node of the device reads, itself or through a view, are given there.
  void find_device_inputs() {
    size_t index = 0;
    for (const Node& node : graph_.main.nodes) {
      const bool on_device = tuner_.nodes()[index].on_device;
      index += 1 + nested_count(node);
      if (!on_device && !(tuner_.is_mixed() && tune::is_view(node))) continue;
      for (const Value* input : node.inputs) {
        if (input != nullptr && is_plain(input->dtype)) device_inputs_.insert(input);
      }
    }
  }

  static size_t nested_count(const Node& node) {
    size_t count = 0;
    for (const auto& region : node.regions) {
      for (const Node& inner : region->nodes) count += 1 + nested_count(inner);
    }
    return count;
  }

  // A slot in which something writes the value.
  int define(const Value& value, Slot::Kind kind, Layout layout, bool on_device) {
    written_as_[&value] = {layout, on_device};
    return add_slot(value, kind, layout, on_device);
  }

  int add_slot(const Value& value, Slot::Kind kind, Layout layout, bool on_device) {
    Slot slot;
    slot.name = value.name;
    slot.kind = kind;
    slot.dtype = value.dtype;
    slot.layout = layout;
    slot.shape = value.shape;
    slot.element = value.element;
    slot.on_device = on_device;
    return slots_[{&value, layout, on_device}] = new_slot(std::move(slot));
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
    const bool on_device = home_of(*node.inputs[0]);
    PENSTOCK_ASSIGN_OR_RETURN(const int input,
                              operand(*node.inputs[0], Layout::kPlain, on_device, body));
    const int slot = define(*node.outputs[0], Slot::Kind::kView, Layout::kPlain, on_device);
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
    const bool on_device = candidates.on_device;
    PENSTOCK_ASSIGN_OR_RETURN(std::vector<int> packed, pack(node, chosen, on_device));
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      int slot = packed[i];
      if (node.inputs[i] != nullptr && slot < 0) {
        PENSTOCK_ASSIGN_OR_RETURN(slot,
                                  operand(*node.inputs[i], chosen.form.inputs[i], on_device, body));
      }
      step.inputs.push_back(slot);
    }
    PENSTOCK_RETURN_IF_ERROR(fetch_captured(node, body));
    for (auto& nested : node.regions) {
      const auto nested_body = out_.program.bodies.size();
      out_.program.bodies.emplace_back();
      step.bodies.push_back(static_cast<int>(nested_body));
      PENSTOCK_RETURN_IF_ERROR(lower_body(*nested, nested_body));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value* output = node.outputs[i];
      step.outputs.push_back(output == nullptr ? -1
                                               : define(*output, Slot::Kind::kActivation,
                                                        chosen.form.outputs[i], on_device));
    }
    push(std::move(step), body, {&candidates, index, chosen.microseconds});
    return Status::ok();
  }

  // Bodies run on the host, any number of times: what they read of the device is fetched before.
  Status fetch_captured(const Node& node, size_t body) {
    for (const auto& region : node.regions) {
      std::vector<const Value*> read(region->outputs.begin(), region->outputs.end());
      for (const Node& inner : region->nodes) {
        read.insert(read.end(), inner.inputs.begin(), inner.inputs.end());
        PENSTOCK_RETURN_IF_ERROR(fetch_captured(inner, body));
      }
      for (const Value* value : read) {
        const auto written = written_as_.find(value);
        if (written == written_as_.end() || !written->second.on_device) continue;
        PENSTOCK_RETURN_IF_ERROR(operand(*value, Layout::kPlain, false, body).status());
      }
    }
    return Status::ok();
  }

  Status lower_body(const ir::Region& region, size_t body) {
    for (const Value* input : region.inputs) {
      const int slot = define(*input, Slot::Kind::kActivation, Layout::kPlain, false);
      out_.program.bodies[body].inputs.push_back(slot);
    }
    PENSTOCK_RETURN_IF_ERROR(lower_region(region, body));
    for (const Value* output : region.outputs) {
      PENSTOCK_ASSIGN_OR_RETURN(const int slot, operand(*output, Layout::kPlain, false, body));
      out_.program.bodies[body].outputs.push_back(slot);
    }
    return Status::ok();
  }

  void push(Step step, size_t body, LoweredStep line) {
    out_.program.bodies[body].steps.push_back(std::move(step));
    if (body == 0) out_.main_steps.push_back(line);
  }

  // Where the value is written; constants are wherever they are read.
  bool home_of(const Value& value) const {
    const auto written = written_as_.find(&value);
    return written == written_as_.end() ? tuner_.is_mixed() && is_plain(value.dtype)
                                        : written->second.on_device;
  }

  // The slot that holds `value` in `layout`, on the device or the host, after adding a constant, a
  // reorder or a transfer where there is none.
  Result<int> operand(const Value& value, Layout layout, bool on_device, size_t body) {
    const auto known = slots_.find({&value, layout, on_device});
    if (known != slots_.end()) return known->second;
    if (value.is_constant()) return add_constant(value, value.constant, "", on_device);
    const auto written = written_as_.find(&value);
    if (written == written_as_.end()) {
      return Status(StatusCode::kInternal, "lowering: '" + value.name + "' has no slot");
    }
    const Home home = written->second;
    if (home.on_device == on_device) {
      return reorder(value, home.layout, layout, on_device, body);
    }
    PENSTOCK_ASSIGN_OR_RETURN(const int there,
                              operand(value, Layout::kPlain, home.on_device, body));
    const int slot = transfer(value, there, on_device, body);
    if (layout == Layout::kPlain) return slot;
    return reorder(value, Layout::kPlain, layout, on_device, body);
  }

  // Transfers and reorders are row-major to transfer: one copy serves all readers.
  int transfer(const Value& value, int from, bool to_device, size_t body) {
    Step step;
    step.op = "Transfer";
    step.name = value.name + (to_device ? "@device" : "@host");
    step.tactic = "runtime.transfer";
    step.config = to_device ? "to_device" : "to_host";
    step.inputs = {from};
    const int slot = add_slot(value, Slot::Kind::kActivation, Layout::kPlain, to_device);
    out_.program.slots[slot].name = step.name;
    step.outputs = {slot};
    push(std::move(step), body, {nullptr, 0, 0});
    return slot;
  }

  Result<int> reorder(const Value& value, Layout from, Layout to, bool on_device, size_t body) {
    PENSTOCK_ASSIGN_OR_RETURN(const Candidate reorder, tuner_.reorder(value, from, to));
    Step step;
    step.op = "Reorder";
    step.name = value.name + "@" + std::string(ir::to_string(to));
    step.tactic = reorder.tactic->name();
    step.config = reorder.form.config;
    step.attributes.set("layout", std::string(ir::to_string(to)));
    step.inputs = {slots_.at({&value, from, on_device})};
    const int slot = add_slot(value, Slot::Kind::kActivation, to, on_device);
    out_.program.slots[slot].name = step.name;
    step.outputs = {slot};
    push(std::move(step), body, {nullptr, 0, reorder.microseconds});
    return slot;
  }

  int add_constant(const Value& value, const ir::ConstantRef& known, const std::string& format,
                   bool on_device) {
    const ir::ConstantRef data = known->dtype == DataType::kString ? stored_strings(*known) : known;
    const uint64_t offset = pool_.add(data);
    const auto key = std::make_tuple(offset, data->bytes, format, to_string(value.shape),
                                     value.dtype, on_device);
    if (auto it = constants_.find(key); it != constants_.end()) return it->second;
    Slot slot;
    slot.name = value.name;
    slot.kind = Slot::Kind::kConstant;
    slot.dtype = value.dtype;
    slot.shape = value.shape;
    slot.format = format;
    slot.offset = offset;
    slot.bytes = data->bytes;
    slot.on_device = on_device;
    return constants_[key] = new_slot(std::move(slot));
  }

  // Slots of the constants that the tactic repacks, -1 elsewhere.
  Result<std::vector<int>> pack(const Node& node, const Candidate& chosen, bool on_device) {
    std::vector<int> slots(node.inputs.size(), -1);
    backends::NodeFacts facts = tune::make_facts(node, symbols_, threads_);
    tune::apply_form(chosen.form, facts);
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<backends::PackedConstant> packed,
                              chosen.tactic->pack(facts));
    for (const backends::PackedConstant& constant : packed) {
      slots[constant.input] =
          add_constant(*node.inputs[constant.input], constant.data, constant.format, on_device);
    }
    return slots;
  }

  // A graph output needs memory of its own under its own name: views of inputs and constants, and
  // values that are two outputs, are copied.
  Result<int> output_slot(const Value& value) {
    const bool on_device = home_of(value);
    PENSTOCK_ASSIGN_OR_RETURN(const int slot, operand(value, Layout::kPlain, on_device, 0));
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
    const backends::Tactic* copier = tuner_.copier(on_device);
    if (copier == nullptr)
      return Status(StatusCode::kInternal, "nothing copies '" + value.name + "'");
    step.tactic = copier->name();
    step.inputs = {slot};
    Slot copy;
    copy.name = value.name;
    copy.dtype = value.dtype;
    copy.shape = value.shape;
    copy.element = value.element;
    copy.on_device = on_device;
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
  // How and where a value was first written.
  struct Home {
    Layout layout = Layout::kPlain;
    bool on_device = false;
  };
  std::map<std::tuple<const Value*, Layout, bool>, int> slots_;  // bool: on the device
  std::map<const Value*, Home> written_as_;
  std::map<std::tuple<uint64_t, size_t, std::string, std::string, DataType, bool>, int> constants_;
  std::set<const Value*> device_inputs_;
  std::set<int> output_roots_;
};

}  // namespace

Result<Lowered> lower(const ir::Graph& graph, tune::Tuner& tuner, const std::vector<size_t>& choice,
                      const tune::SymbolValues& symbols, int threads, ConstantPool& pool) {
  return Lowering(graph, tuner, choice, symbols, threads, pool).run();
}

}  // namespace penstock::compiler
