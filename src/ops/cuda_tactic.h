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

// A tactic of the CUDA backend made of two functions.
class CudaTactic : public backends::Tactic {
 public:
  using OfferFunction = backends::Offer (*)(const backends::NodeFacts& node);
  using BindFunction = Result<CudaLaunch> (*)(const backends::NodeFacts& node);

  CudaTactic(std::string name, OfferFunction offer, BindFunction bind, bool in_place = false)
      : name_(std::move(name)), offer_(offer), bind_(bind), in_place_(in_place) {}

  std::string_view name() const override { return name_; }
  backends::Offer offer(const backends::NodeFacts& node) const override;
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override;
  bool can_run_in_place(const backends::NodeFacts&, size_t input) const override {
    return in_place_ && input == 0;
  }

 private:
  std::string name_;
  OfferFunction offer_;
  BindFunction bind_;
  bool in_place_;
};

// A refusal where an operand is of a type that kernels of the device do not move: strings,
// sequences, optionals. Empty where all are plain.
std::string refuse_handles(const backends::NodeFacts& node);
// A refusal where the first input, or the first output, is not of float32, float16 or bfloat16.
std::string refuse_non_floats(const backends::NodeFacts& node);
// A refusal where one of the inputs that the operator takes as parameters (axes, sizes) is there:
// kernels of the device read them from attributes only.
std::string refuse_parameter_inputs(const backends::NodeFacts& node, size_t first);

}  // namespace penstock::ops
