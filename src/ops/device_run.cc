// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/device_run.h"

#include <algorithm>

#include "ir/storage.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;
using backends::TensorView;

constexpr size_t kMargin = 256;
constexpr std::byte kPoison{0xA5};

size_t bytes_of(const Operand& operand) {
  return operand.format.empty() ? ir::storage_bytes(operand.dtype, operand.shape, operand.layout)
                                : operand.bytes;
}

}  // namespace

DeviceRun::DeviceRun(backends::Backend& backend, const NodeFacts& node, backends::Stream& stream)
    : backend_(backend), node_(node), stream_(stream), outputs_(node.outputs.size()) {}

DeviceRun::~DeviceRun() {
  (void)stream_.synchronize();
  for (const Block& block : blocks_) {
    backend_.deallocate(block.data, block.bytes, backends::MemoryUse::kTuning);
  }
}

Result<std::unique_ptr<DeviceRun>> DeviceRun::create(backends::Backend& backend,
                                                     const NodeFacts& node,
                                                     const std::vector<const void*>& inputs,
                                                     backends::Stream& stream,
                                                     const DeviceRun* sibling) {
  std::unique_ptr<DeviceRun> run(new DeviceRun(backend, node, stream));
  PENSTOCK_RETURN_IF_ERROR(run->place(inputs, sibling));
  return run;
}

Result<void*> DeviceRun::take(size_t bytes) {
  const size_t size = std::max<size_t>(bytes, 64);
  PENSTOCK_ASSIGN_OR_RETURN(void* data, backend_.allocate(size, backends::MemoryUse::kTuning));
  blocks_.push_back({data, size});
  return data;
}

Status DeviceRun::place(const std::vector<const void*>& inputs, const DeviceRun* sibling) {
  for (size_t i = 0; i < node_.inputs.size(); ++i) {
    const Operand& operand = node_.inputs[i];
    views_.push_back({operand.dtype, operand.layout, &operand.shape, nullptr});
    if (i >= inputs.size() || inputs[i] == nullptr) continue;
    if (sibling != nullptr && operand.data != nullptr) {
      views_.back().data = sibling->views_[i].data;
      continue;
    }
    const size_t bytes = bytes_of(operand);
    PENSTOCK_ASSIGN_OR_RETURN(views_.back().data, take(bytes));
    PENSTOCK_RETURN_IF_ERROR(backend_.copy_in(views_.back().data, inputs[i], bytes, stream_));
  }
  return stream_.synchronize();
}

Result<TensorView> DeviceRun::output(size_t i, const Shape& shape) {
  const Operand& operand = node_.outputs[i];
  if (shape != operand.shape) {
    return Status(StatusCode::kInternal, "output " + std::to_string(i) + " came out with shape " +
                                             to_string(shape) + ", planned was " +
                                             to_string(operand.shape));
  }
  if (outputs_[i] == nullptr) {
    const std::vector<std::byte> poison(bytes_of(operand) + kMargin, kPoison);
    PENSTOCK_ASSIGN_OR_RETURN(outputs_[i], take(poison.size()));
    PENSTOCK_RETURN_IF_ERROR(backend_.copy_in(outputs_[i], poison.data(), poison.size(), stream_));
    PENSTOCK_RETURN_IF_ERROR(stream_.synchronize());
  }
  return TensorView{operand.dtype, operand.layout, &operand.shape, outputs_[i]};
}

Status DeviceRun::run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) {
  return {StatusCode::kUnsupported, node_.op + " '" + node_.name + "' needs an engine"};
}

Status DeviceRun::execute(const backends::Kernel& kernel) {
  if (prepared_ != &kernel) {
    prepared_ = &kernel;
    state_ = kernel.create_state();
    if (kernel.workspace_bytes() > 0) {
      PENSTOCK_ASSIGN_OR_RETURN(workspace_, take(kernel.workspace_bytes()));
    }
  }
  return kernel.run(*this);
}

Result<std::vector<std::byte>> DeviceRun::read(size_t i) {
  if (outputs_[i] == nullptr) return std::vector<std::byte>();
  std::vector<std::byte> content(bytes_of(node_.outputs[i]) + kMargin);
  PENSTOCK_RETURN_IF_ERROR(backend_.copy_out(content.data(), outputs_[i], content.size(), stream_));
  PENSTOCK_RETURN_IF_ERROR(stream_.synchronize());
  const auto margin = content.end() - static_cast<int64_t>(kMargin);
  if (std::any_of(margin, content.end(), [](std::byte b) { return b != kPoison; })) {
    return Status(StatusCode::kInternal, "the kernel wrote behind output " + std::to_string(i));
  }
  content.resize(content.size() - kMargin);
  return content;
}

}  // namespace penstock::ops
