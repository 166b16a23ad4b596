// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/backend.h"
#include "backends/device_code.h"
#include "plan/dim_table.h"
#include "plan/plan_file.h"
#include "runtime/transfer.h"

namespace penstock::runtime {

// A step with its names resolved.
struct StepCode {
  const plan::Step* step = nullptr;
  const backends::Tactic* tactic = nullptr;
  // Bound at run time: its shapes, or those of what it reads, depend on data; or it stands in a
  // body.
  bool late = false;
  bool on_device = false;  // where that is not the host; transfers are the device's
  // Extents among its attributes, in the attributes' order: part of a late kernel's identity.
  std::vector<int> attribute_dims;
};

// Kernels, addresses and sizes for one set of input shapes: immutable, shared by contexts.
struct Binding {
  std::vector<int64_t> symbols;  // by DimTable symbol; kUnknown where late
  std::vector<Shape> shapes;     // by slot; empty where late
  std::vector<bool> known;       // by slot: the shape above holds
  std::vector<std::unique_ptr<backends::Kernel>> kernels;  // by main step; null where late
  std::vector<int64_t> slot_offsets;                       // by slot: into the arena, or -1
  std::vector<int64_t> workspace_offsets;                  // by main step: into the arena, or -1
  size_t arena_bytes = 0;         // of the host, where it is the device too
  size_t device_arena_bytes = 0;  // where the device has memory of its own
  size_t activation_bytes = 0;    // as if no memory were shared
};

// Everything of one program of an opened plan that does not change.
class ProgramState {
 public:
  // `program` is one of the file's. `host` runs what `backend` has no tactic for; it may be the
  // same. `code` is what kernels are bound with.
  ProgramState(std::shared_ptr<const plan::PlanFile> file, const plan::Program& program,
               std::shared_ptr<backends::Backend> backend, std::shared_ptr<backends::Backend> host,
               std::shared_ptr<backends::DeviceCode> code)
      : file_(std::move(file)),
        program_(program),
        backend_(std::move(backend)),
        host_(std::move(host)),
        code_(std::move(code)),
        transfer_(*backend_) {}
  // Names become tactics, extents code. Once, before all else.
  Status resolve();

  const plan::Program& program() const { return program_; }
  const plan::Body& main() const { return program().bodies[0]; }
  backends::Backend& host() const { return *host_; }
  // True where every main step is the device's and its shapes are known before the run.
  bool is_recordable() const { return is_recordable_; }
  const plan::DimTable& dims() const { return dims_; }
  const std::vector<std::vector<int>>& slot_dims() const { return slot_dims_; }
  // By input position: the symbols of the values of a shape input; empty where it is none.
  const std::vector<std::vector<int>>& value_symbols() const { return value_symbols_; }
  const std::vector<StepCode>& steps(size_t body) const { return bodies_[body]; }
  int root_of(int slot) const { return roots_[slot]; }
  // The last main step that reads a root slot's memory, nested bodies included: -1 where none does,
  // one beyond the last where it is an output.
  int last_use(int root) const { return last_uses_[root]; }
  const void* constant(int slot) const {
    const std::vector<StringRef>& strings = strings_[slot];
    return strings.empty() ? file_->constants() + program().slots[slot].offset
                           : static_cast<const void*>(strings.data());
  }
  // Where kernels of the slot's place read it: in the device's copy, or as constant().
  void set_device_constants(const std::byte* memory, const std::map<uint64_t, uint64_t>& offsets);
  const void* constant_address(int slot) const {
    return device_constants_[slot] != nullptr ? device_constants_[slot] : constant(slot);
  }
  // A view reads the bytes of its root: it must have as many. Shapes that inputs tell may not
  // agree.
  Status check_view(int slot, const Shape& shape, const Shape& root_shape) const;
  bool is_late_slot(int slot) const { return late_slots_[slot]; }
  const std::vector<TensorInfo>& inputs() const { return inputs_; }
  const std::vector<TensorInfo>& outputs() const { return outputs_; }

  // The binding for these symbol values and this stream width: cached, the least recent dropped.
  Result<std::shared_ptr<const Binding>> bind(const std::vector<int64_t>& symbols, int threads);

  // The node of a step with shapes filled in by `shape_of` (slot -> shape).
  template <typename ShapeOf>
  backends::NodeFacts facts(const StepCode& code, const std::vector<int64_t>& symbols, int threads,
                            ShapeOf&& shape_of) const;

 private:
  Status resolve_step(StepCode& code, bool nested);
  Status resolve_strings();
  void find_last_uses();
  Status check_places(const StepCode& code) const;
  TensorInfo describe(int slot) const;
  Result<std::shared_ptr<const Binding>> make_binding(const std::vector<int64_t>& symbols,
                                                      int threads) const;
  Status bind_kernels(Binding& binding, int threads) const;
  void plan_arena(Binding& binding, int threads) const;

  struct CachedBinding {
    std::vector<int64_t> symbols;
    int threads;
    std::shared_ptr<const Binding> binding;
  };

  std::shared_ptr<const plan::PlanFile> file_;
  const plan::Program& program_;
  std::shared_ptr<backends::Backend> backend_;
  std::shared_ptr<backends::Backend> host_;
  std::shared_ptr<backends::DeviceCode> code_;
  TransferTactic transfer_;
  bool is_recordable_ = false;
  std::vector<const void*> device_constants_;  // by slot; null where the host's are read
  plan::DimTable dims_;
  std::vector<std::vector<int>> slot_dims_;
  std::vector<std::vector<int>> value_symbols_;
  std::vector<std::vector<StepCode>> bodies_;
  std::vector<std::vector<StringRef>> strings_;  // by slot: the elements of string constants
  std::vector<int> roots_;
  std::vector<bool> late_slots_;
  std::vector<int> last_uses_;
  std::vector<TensorInfo> inputs_;
  std::vector<TensorInfo> outputs_;
  std::mutex mutex_;
  std::list<CachedBinding> bindings_;  // most recent first
};

template <typename ShapeOf>
backends::NodeFacts ProgramState::facts(const StepCode& code, const std::vector<int64_t>& symbols,
                                        int threads, ShapeOf&& shape_of) const {
  const plan::Step& step = *code.step;
  backends::NodeFacts node;
  node.op = step.op;
  node.name = step.name;
  node.config = step.config;
  node.threads = threads;
  node.attributes = code.attribute_dims.empty()
                        ? step.attributes
                        : step.attributes.resolved([&](std::string_view name) {
                            for (size_t i = 0; i < dims_.symbol_count(); ++i) {
                              if (dims_.symbol_name(static_cast<int>(i)) == name) return symbols[i];
                            }
                            return plan::DimTable::kUnknown;
                          });
  const auto operand = [&](int slot) {
    backends::Operand result;
    if (slot < 0) return result;
    const plan::Slot& facts = program().slots[slot];
    const int root = roots_[slot];
    result.present = true;
    result.dtype = facts.dtype;
    result.layout = facts.layout;
    result.shape = shape_of(slot);
    if (program().slots[root].kind == plan::Slot::Kind::kConstant) {
      result.data = constant(root);
      result.bytes = program().slots[root].bytes;
      result.format = program().slots[root].format;
    }
    return result;
  };
  for (int slot : step.inputs) node.inputs.push_back(operand(slot));
  for (int slot : step.outputs) node.outputs.push_back(operand(slot));
  return node;
}

}  // namespace penstock::runtime
