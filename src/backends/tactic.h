// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_pool.h"
#include "ir/attributes.h"
#include "ir/constant.h"
#include "ir/layout.h"

namespace penstock::backends {

class Stream;

// One operand of a node, as a tactic sees it when it decides, packs or binds: all extents known.
struct Operand {
  bool present = false;
  DataType dtype = DataType::kUndefined;
  ir::Layout layout = ir::Layout::kPlain;
  Shape shape;
  // Elements of a constant operand: row-major at build time; in `format` once packed. Null
  // otherwise.
  const void* data = nullptr;
  size_t bytes = 0;
  // Name of the packed form of a constant ("ABcd16b16a4b"); empty is row-major.
  std::string format;
};

// A node with concrete shapes and attributes: what tactics are offered, tuned and bound with.
struct NodeFacts {
  std::string op;
  std::string name;  // for messages
  ir::Attributes attributes;
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
  std::string config;  // the tactic's own choice of variant, from Form::config
  int threads = 1;     // width of the stream it will run on

  bool has_input(size_t i) const { return i < inputs.size() && inputs[i].present; }
  bool has_output(size_t i) const { return i < outputs.size() && outputs[i].present; }
};

// A tensor at a run: where it is and how it lies.
struct TensorView {
  DataType dtype = DataType::kUndefined;
  ir::Layout layout = ir::Layout::kPlain;
  const Shape* shape = nullptr;
  void* data = nullptr;

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  int64_t count() const { return element_count(*shape); }
};

// Per-context memory of a kernel (library handles that hold addresses): made once per context.
class KernelState {
 public:
  virtual ~KernelState() = default;
};

// What a kernel sees of one execution. Valid during Kernel::run only.
class KernelRun {
 public:
  virtual ~KernelRun() = default;

  virtual const TensorView& input(size_t i) const = 0;  // data is null where absent
  virtual bool has_input(size_t i) const = 0;
  virtual bool has_output(size_t i) const = 0;
  virtual size_t input_count() const = 0;
  virtual size_t output_count() const = 0;
  // Where output i goes. Its shape must be the planned one; an output whose shape depends on data
  // is allocated here, to the shape the kernel found.
  virtual Result<TensorView> output(size_t i, const Shape& shape) = 0;

  virtual void* workspace() const = 0;
  virtual KernelState* state() const = 0;
  virtual Stream& stream() const = 0;
  // Where strings, sequences and optionals that a kernel makes are kept until the next run.
  virtual ObjectPool& objects() = 0;
  // Runs nested region i of a control-flow node with these inputs; its outputs become `outputs`,
  // valid until the next run_region or the end of this run.
  virtual Status run_region(size_t i, const std::vector<TensorView>& inputs,
                            std::vector<TensorView>& outputs) = 0;
};

// A tactic bound to shapes: immutable, shared by contexts, run by many threads at once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual size_t workspace_bytes() const { return 0; }
  virtual std::unique_ptr<KernelState> create_state() const { return nullptr; }
  // Enqueues the work on run.stream(); on the CPU, does it.
  virtual Status run(KernelRun& run) const = 0;
};

// One way of laying a node's operands that a tactic accepts.
struct Form {
  std::vector<ir::Layout> inputs;   // one per input, kPlain where absent or constant
  std::vector<ir::Layout> outputs;  // one per output
  std::string config;
};

// What a tactic says to a node: the forms it takes, or the reason why none.
struct Offer {
  std::vector<Form> forms;
  std::string refusal;

  static Offer refuse(std::string reason) { return {{}, std::move(reason)}; }
  // All operands row-major.
  static Offer plain(const NodeFacts& node, std::string config = "");
};

// A constant in the form a kernel wants it.
struct PackedConstant {
  size_t input = 0;  // which input it replaces
  ir::ConstantRef data;
  std::string format;
};

// One way to run one kind of (fused) node. Stateless; lives as long as the process.
class Tactic {
 public:
  virtual ~Tactic() = default;
  // Stable: plans and timing caches store it. "onednn.conv"
  virtual std::string_view name() const = 0;
  virtual Offer offer(const NodeFacts& node) const = 0;
  // Constants repacked for this node and form; those not listed stay row-major.
  virtual Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const;
  // A kernel for exactly these shapes. Constants are as pack() left them, and outlive the kernel.
  virtual Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const = 0;
  // True when its kernels find their outputs' shapes themselves (NonZero), and so can be bound
  // before anything tells those shapes.
  virtual bool finds_output_shapes() const { return false; }
  // True when output 0 may overwrite input i (same shape, type and layout).
  virtual bool can_run_in_place(const NodeFacts& node, size_t input) const;
};

// A supplier of tactics: a library, or a family of own kernels.
class TacticSource {
 public:
  virtual ~TacticSource() = default;
  virtual std::string_view name() const = 0;  // "onednn", "simd", "reference"
  // Tactics for an operator, preferred first.
  virtual std::vector<const Tactic*> tactics_for(std::string_view op) const = 0;
  // By Tactic::name; null where unknown.
  virtual const Tactic* find(std::string_view tactic) const = 0;
};

}  // namespace penstock::backends
