// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/cpu/onednn/onednn.h"
#include "backends/tactic.h"

namespace penstock::backends::onednn {

// One argument of a primitive and where its memory comes from at a run.
struct Argument {
  enum class Source : uint8_t {
    kInput,      // the node's input `index`
    kOutput,     // the node's output 0
    kWorkspace,  // `index` bytes into the workspace
    kConstant,   // `data`, kept alive by the kernel
  };
  int id = 0;  // DNNL_ARG_*
  dnnl::memory::desc desc;
  Source source = Source::kInput;
  size_t index = 0;
  void* data = nullptr;
};

Argument input_argument(int id, const dnnl::memory::desc& desc, size_t input);
Argument output_argument(int id, const dnnl::memory::desc& desc);

// Primitives run one after the other. What each needs at a run lies ready in the kernel's state:
// a run sets addresses and executes.
class PrimitiveKernel : public Kernel {
 public:
  // Adds a primitive; `scratchpad` bytes of the workspace become its DNNL_ARG_SCRATCHPAD.
  void add(dnnl::primitive primitive, std::vector<Argument> arguments,
           const dnnl::memory::desc& scratchpad);
  // Input `input`, which lies as `given`, as argument `id` that must lie as `wanted`. Where they
  // differ, a constant (`data` not null) is reordered now into memory that the kernel keeps,
  // another input by a reorder at each run: call it before add() of the primitive that reads it.
  // Throws.
  Argument input_as(int id, size_t input, const void* data, const dnnl::memory::desc& given,
                    const dnnl::memory::desc& wanted);
  // Bytes that the kernel keeps, copied from `data`, as argument `id`.
  Argument constant(int id, const dnnl::memory::desc& desc, const void* data);
  // A tensor between two primitives.
  Argument scratch(int id, const dnnl::memory::desc& desc);
  void set_output_shape(Shape shape) { output_shape_ = std::move(shape); }

  size_t workspace_bytes() const override { return workspace_bytes_; }
  std::unique_ptr<KernelState> create_state() const override;
  Status run(KernelRun& run) const override;

 private:
  // A piece of the workspace: its offset.
  size_t reserve(size_t bytes);

  struct Step {
    dnnl::primitive primitive;
    std::vector<Argument> arguments;
  };
  class State;

  std::vector<Step> steps_;
  std::vector<ir::ConstantRef> constants_;
  Shape output_shape_;
  size_t workspace_bytes_ = 0;
};

// The elements at `data` moved from one description to another, in memory of their own. Throws.
ir::ConstantRef reorder_constant(const void* data, const dnnl::memory::desc& from,
                                 const dnnl::memory::desc& to);

}  // namespace penstock::backends::onednn
