// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/status.h>

#include <string_view>

namespace penstock::backends::cuda {

// The answer of a CUDA call as a Status. Errors that only the end of the process clears (an illegal
// address, a failed launch) are kDeviceLost, and stay so for every later call on the device, which
// is the calling thread's current one.
Status cuda_status(cudaError_t code, std::string_view what);
// kDeviceLost where one of this device's calls answered so.
Status device_health(int device);
// What the launch of a kernel left behind.
Status launch_status(std::string_view kernel);

}  // namespace penstock::backends::cuda
