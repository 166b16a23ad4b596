// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/backend.h"
#include "ir/constant.h"

namespace penstock::ops {

// A row-major tensor in host memory, owned by a vector aligned enough for any kernel.
struct HostTensor {
  DataType dtype = DataType::kUndefined;
  Shape shape;
  ir::ConstantRef storage;
  // What strings, sequences and optionals among the elements refer to.
  std::shared_ptr<ObjectPool> objects = nullptr;

  void* data() const { return const_cast<std::byte*>(storage->data); }
  static HostTensor zeros(DataType dtype, Shape shape);
};

// Runs one kernel outside any engine: for constant folding, the tuner and tests. Inputs are as the
// kernel was bound (layout and packed format of `node`); outputs are allocated to the shapes of
// `node`, or to what the kernel finds where `node` says nothing (Operand::present with no dtype).
class HostRun : public backends::KernelRun {
 public:
  HostRun(const backends::NodeFacts& node, std::vector<const void*> inputs,
          backends::Stream& stream);
  ~HostRun() override;

  const backends::TensorView& input(size_t i) const override { return inputs_[i]; }
  bool has_input(size_t i) const override { return node_.has_input(i); }
  bool has_output(size_t i) const override { return node_.has_output(i); }
  size_t input_count() const override { return node_.inputs.size(); }
  size_t output_count() const override { return node_.outputs.size(); }
  Result<backends::TensorView> output(size_t i, const Shape& shape) override;
  void* workspace() const override { return workspace_ ? workspace_->data() : nullptr; }
  backends::KernelState* state() const override { return state_.get(); }
  backends::Stream& stream() const override { return stream_; }
  ObjectPool& objects() override { return *objects_; }
  Status run_region(size_t i, const std::vector<backends::TensorView>& inputs,
                    std::vector<backends::TensorView>& outputs) override;

  Status execute(const backends::Kernel& kernel);
  HostTensor& result(size_t i) { return outputs_[i]; }

 private:
  const backends::NodeFacts& node_;
  std::vector<Shape> shapes_;
  std::vector<backends::TensorView> inputs_;
  std::vector<HostTensor> outputs_;
  std::unique_ptr<HostTensor> workspace_;
  const backends::Kernel* prepared_ = nullptr;
  std::unique_ptr<backends::KernelState> state_;
  backends::Stream& stream_;
  std::shared_ptr<ObjectPool> objects_ = std::make_shared<ObjectPool>();
};

// Runs an operator's reference kernel on row-major tensors; outputs get the shapes it finds.
Result<std::vector<HostTensor>> run_reference(const std::string& op,
                                              const ir::Attributes& attributes,
                                              const std::vector<const HostTensor*>& inputs,
                                              const std::vector<DataType>& output_types);

}  // namespace penstock::ops
