// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer.h"

#include "ir/storage.h"

namespace penstock::runtime {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

class TransferKernel : public backends::Kernel {
 public:
  TransferKernel(backends::Backend& device, const NodeFacts& node)
      : device_(device),
        to_device_(node.config == "to_device"),
        shape_(node.outputs[0].shape),
        bytes_(ir::storage_bytes(node.outputs[0].dtype, shape_, node.outputs[0].layout)) {}

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    const void* x = run.input(0).data;
    if (to_device_) return device_.copy_in(y.data, x, bytes_, run.stream());
    PENSTOCK_RETURN_IF_ERROR(device_.copy_out(y.data, x, bytes_, run.stream()));
    return run.stream().flush();  // the host reads it next
  }

 private:
  backends::Backend& device_;
  bool to_device_;
  Shape shape_;
  size_t bytes_;
};

}  // namespace

backends::Offer TransferTactic::offer(const NodeFacts& node) const {
  return backends::Offer::plain(node, node.config);
}

Result<std::unique_ptr<backends::Kernel>> TransferTactic::bind(const NodeFacts& node) const {
  return std::unique_ptr<backends::Kernel>(std::make_unique<TransferKernel>(device_, node));
}

}  // namespace penstock::runtime
