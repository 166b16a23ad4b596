// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <memory>
#include <string>

#include "ops/cpu_tactics.h"

namespace penstock::ops {

// What a bound tactic of the CUDA backend does at a run: enqueue its kernels on the stream, with
// the addresses of `run`. It must not wait for the device, nor take memory: runs are recorded.
using CudaLaunch = std::function<Status(backends::KernelRun& run, cudaStream_t stream)>;

// A kernel of the device: `name` stands in errors. Its workspace is device memory.
std::unique_ptr<backends::Kernel> make_cuda_kernel(std::string name, CudaLaunch launch,
                                                   size_t workspace_bytes = 0);

// The launch of a kernel whose arguments are bound but for addresses: `x` becomes that of input 0,
// `y` that of output 0, which has `shape`; `place(arguments, run)` sets what else there is.
template <typename Arguments, typename Launch, typename Place>
CudaLaunch make_launch(Arguments bound, Shape shape, Launch launch, Place place) {
  return [bound, shape = std::move(shape), launch, place](backends::KernelRun& run,
                                                          cudaStream_t stream) -> Status {
    Arguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
    a.x = run.input(0).data;
    a.y = static_cast<decltype(a.y)>(y.data);
    place(a, run);
    launch(a, stream);
    return Status::ok();
  };
}

template <typename Arguments, typename Launch>
CudaLaunch make_launch(Arguments bound, Shape shape, Launch launch) {
  return make_launch(std::move(bound), std::move(shape), launch,
                     [](Arguments&, const backends::KernelRun&) {});
}

// A tactic of the CUDA backend made of functions.
class CudaTactic : public backends::Tactic {
 public:
  using OfferFunction = backends::Offer (*)(const backends::NodeFacts& node);
  using BindFunction = Result<CudaLaunch> (*)(const backends::NodeFacts& node);
  using WorkspaceFunction = Result<size_t> (*)(const backends::NodeFacts& node);

  struct Traits {
    bool in_place = false;                  // output 0 may be input 0
    WorkspaceFunction workspace = nullptr;  // bytes; null: none
  };

  CudaTactic(std::string name, OfferFunction offer, BindFunction bind)
      : CudaTactic(std::move(name), offer, bind, Traits()) {}
  CudaTactic(std::string name, OfferFunction offer, BindFunction bind, Traits traits)
      : name_(std::move(name)), offer_(offer), bind_(bind), traits_(traits) {}

  std::string_view name() const override { return name_; }
  backends::Offer offer(const backends::NodeFacts& node) const override;
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override;
  bool can_run_in_place(const backends::NodeFacts&, size_t input) const override {
    return traits_.in_place && input == 0;
  }

 private:
  std::string name_;
  OfferFunction offer_;
  BindFunction bind_;
  Traits traits_;
};

// Why a tactic takes no node like this.
inline Status refuse(std::string reason) { return {StatusCode::kUnsupported, std::move(reason)}; }

// What follows from such a check: all operands row-major, or the refusal.
backends::Offer plain_or_refuse(const backends::NodeFacts& node, const Status& status);
// The same, and for images, input 0 and output 0 channels last.
backends::Offer both_layouts_or_refuse(const backends::NodeFacts& node, const Status& status);

// Types that kernels of the device compute in.
bool is_device_float(DataType type);
// Refuses strings, sequences and optionals, which stay on the host.
Status check_plain(const backends::NodeFacts& node);
// Refuses a first input, or a first output, that is no device float.
Status check_floats(const backends::NodeFacts& node);
// Refuses inputs from `first` on, which the operator takes as parameters (axes, sizes): kernels of
// the device read those from attributes only.
Status check_no_parameters(const backends::NodeFacts& node, size_t first);

}  // namespace penstock::ops
