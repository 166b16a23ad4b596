// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/status.h>

#include <string>

namespace penstock::backends::cuda {

// Empty where NVRTC is here; else why not.
std::string why_no_nvrtc();

// The kernel `name` of a CUDA C++ source, compiled for the calling thread's device with NVRTC.
// Equal sources are compiled once a process. Errors carry the compiler's log.
Result<cudaKernel_t> compile_kernel(const std::string& source, const std::string& name);

}  // namespace penstock::backends::cuda
