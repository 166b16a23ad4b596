// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/status.h>

#include <string>

namespace penstock::backends::cuda {

// Empty where NVRTC is here; else why not.
std::string why_no_nvrtc();

// The kernel `name` of a CUDA C++ source, for the calling thread's device: from the current device
// code where that has it, else compiled with NVRTC. Equal sources are loaded once a process. Errors
// carry the compiler's log.
Result<cudaKernel_t> compile_kernel(const std::string& source, const std::string& name);

}  // namespace penstock::backends::cuda
