// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/bind_kernel.h"

#include <algorithm>

#include "base/memory_guard.h"

namespace penstock::runtime {
namespace {

using backends::NodeFacts;
using backends::Operand;

class EmptyKernel final : public backends::Kernel {
 public:
  explicit EmptyKernel(std::vector<Shape> shapes) : shapes_(std::move(shapes)) {}
  Status run(backends::KernelRun& run) const override {
    for (size_t i = 0; i < shapes_.size(); ++i) {
      if (run.has_output(i)) PENSTOCK_RETURN_IF_ERROR(run.output(i, shapes_[i]).status());
    }
    return Status::ok();
  }

 private:
  std::vector<Shape> shapes_;
};

bool gives_nothing(const NodeFacts& node) {
  return !node.outputs.empty() &&
         std::all_of(node.outputs.begin(), node.outputs.end(), [](const Operand& output) {
           return !output.present || element_count(output.shape) == 0;
         });
}

}  // namespace

Result<std::unique_ptr<backends::Kernel>> bind_kernel(const backends::Tactic& tactic,
                                                      const NodeFacts& node) {
  if (!gives_nothing(node)) return tactic.bind(node);
  std::vector<Shape> shapes;
  for (const Operand& output : node.outputs) shapes.push_back(output.shape);
  return std::unique_ptr<backends::Kernel>(std::make_unique<EmptyKernel>(std::move(shapes)));
}

Status run_kernel(const backends::Kernel& kernel, backends::KernelRun& run) {
  return guard_memory("what the kernel computes with", [&] { return kernel.run(run); });
}

}  // namespace penstock::runtime
