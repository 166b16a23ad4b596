// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "backends/cpu/cpu_stream.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// A node's operands as a run without data: what shape arithmetic shared with the reference kernels
// reads when a tactic decides or binds.
class FactsRun : public backends::KernelRun {
 public:
  explicit FactsRun(const backends::NodeFacts& node) : node_(node) {
    for (const backends::Operand& operand : node.inputs) {
      inputs_.push_back(
          {operand.dtype, operand.layout, &operand.shape, const_cast<void*>(operand.data)});
    }
  }

  const backends::TensorView& input(size_t i) const override { return inputs_[i]; }
  bool has_input(size_t i) const override { return node_.has_input(i); }
  bool has_output(size_t i) const override { return node_.has_output(i); }
  size_t input_count() const override { return node_.inputs.size(); }
  size_t output_count() const override { return node_.outputs.size(); }
  Result<backends::TensorView> output(size_t, const Shape&) override {
    return Status(StatusCode::kInternal, "nothing runs yet");
  }
  void* workspace() const override { return nullptr; }
  backends::KernelState* state() const override { return nullptr; }
  backends::Stream& stream() const override { return stream_; }
  ObjectPool& objects() override { return objects_; }
  Status run_region(size_t, const std::vector<backends::TensorView>&,
                    std::vector<backends::TensorView>&) override {
    return {StatusCode::kInternal, "nothing runs yet"};
  }

 private:
  const backends::NodeFacts& node_;
  std::vector<backends::TensorView> inputs_;
  mutable backends::CpuStream stream_{1};
  ObjectPool objects_;
};

}  // namespace penstock::ops
