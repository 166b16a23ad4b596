// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"

namespace penstock::ops {

// Runs one kernel outside any engine on a device with memory of its own: for the tuner and tests.
// What HostRun is on the CPU.
class DeviceRun : public backends::KernelRun {
 public:
  // Copies the inputs to the device: `inputs[i]` as input i of `node` was bound, null where absent.
  // `node` must outlive the run. Outputs begin poisoned, and so does a margin behind them. With
  // `sibling`, which must outlive it too, a run of the same node, both read its constants.
  static Result<std::unique_ptr<DeviceRun>> create(backends::Backend& backend,
                                                   const backends::NodeFacts& node,
                                                   const std::vector<const void*>& inputs,
                                                   backends::Stream& stream,
                                                   const DeviceRun* sibling = nullptr);
  ~DeviceRun() override;

  const backends::TensorView& input(size_t i) const override { return views_[i]; }
  bool has_input(size_t i) const override { return node_.has_input(i); }
  bool has_output(size_t i) const override { return node_.has_output(i); }
  size_t input_count() const override { return node_.inputs.size(); }
  size_t output_count() const override { return node_.outputs.size(); }
  Result<backends::TensorView> output(size_t i, const Shape& shape) override;
  void* workspace() const override { return workspace_; }
  backends::KernelState* state() const override { return state_.get(); }
  backends::Stream& stream() const override { return stream_; }
  ObjectPool& objects() override { return objects_; }
  Status run_region(size_t i, const std::vector<backends::TensorView>& inputs,
                    std::vector<backends::TensorView>& outputs) override;

  // Enqueues the kernel; the first time, takes its workspace.
  Status execute(const backends::Kernel& kernel);
  // Waits, and copies output i back. An error where the kernel wrote behind it; empty where it
  // wrote nothing.
  Result<std::vector<std::byte>> read(size_t i);

 private:
  DeviceRun(backends::Backend& backend, const backends::NodeFacts& node, backends::Stream& stream);

  Result<void*> take(size_t bytes);
  Status place(const std::vector<const void*>& inputs, const DeviceRun* sibling);

  struct Block {
    void* data;
    size_t bytes;
  };

  backends::Backend& backend_;
  const backends::NodeFacts& node_;
  backends::Stream& stream_;
  std::vector<backends::TensorView> views_;
  std::vector<void*> outputs_;
  std::vector<Block> blocks_;
  const backends::Kernel* prepared_ = nullptr;
  void* workspace_ = nullptr;
  std::unique_ptr<backends::KernelState> state_;
  ObjectPool objects_;
};

}  // namespace penstock::ops
