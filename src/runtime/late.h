// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/context_state.h"

namespace penstock::runtime {

// Runs steps whose shapes depend on data, and the bodies of control flow: shapes are found step by
// step, kernels bound on the way and kept for when the same shapes come again.
class LateRunner {
 public:
  explicit LateRunner(ContextState& context);
  ~LateRunner();

  // Forgets what the last run found.
  void begin(backends::Stream& stream);
  Status run_step(const StepCode& code);
  // Frees for others what main step `index`, which has run, was the last to read.
  void recycle(int index, const StepCode& code);

  // Where a late slot is and its shape, after its step ran.
  Result<Shape> shape_of(int slot) const;
  void* data_of(int slot) const;
  // Frees what the last run found; its kernels stay.
  void release_memory();

 private:
  class Frame;
  struct BoundKernel {
    std::vector<int64_t> key;
    std::unique_ptr<backends::NodeFacts> node;
    std::unique_ptr<backends::Kernel> kernel;
    std::unique_ptr<backends::KernelState> state;
  };
  struct Value {
    bool known = false;
    Shape shape;
    void* data = nullptr;
    std::unique_ptr<DeviceBuffer> buffer;
  };

  const backends::Tactic& tactic_for(const StepCode& code) const;
  Result<const BoundKernel*> bind(const StepCode& code, const Frame& frame);
  Result<backends::TensorView> allocate(int slot, const Shape& shape);
  Status learn(int slot, const Shape& shape);
  Status run_body(int body, const std::vector<backends::TensorView>& inputs,
                  std::vector<backends::TensorView>& outputs);
  void forget_body(int body);
  std::unique_ptr<DeviceBuffer> take_buffer(size_t bytes);

  ContextState& context_;
  ProgramState& state_;
  backends::Stream* stream_ = nullptr;
  std::vector<int64_t> symbols_;
  std::vector<Value> values_;  // by slot
  std::unordered_map<const plan::Step*, std::list<BoundKernel>> kernels_;
  std::vector<std::vector<int>> learned_;            // by body: symbols that its last pass told
  std::vector<std::unique_ptr<DeviceBuffer>> free_;  // of values that nothing reads any more
  DeviceBuffer workspace_;
};

}  // namespace penstock::runtime
