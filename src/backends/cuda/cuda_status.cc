// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_status.h"

#include <array>
#include <atomic>
#include <string>

namespace penstock::backends::cuda {
namespace {

constexpr int kMostDevices = 128;

// By device: what it was lost with.
std::array<std::atomic<cudaError_t>, kMostDevices> lost_with{};

int current_device() {
  int device = 0;
  return cudaGetDevice(&device) == cudaSuccess && device < kMostDevices ? device : 0;
}

// CUDA's documentation: "the process must be terminated and relaunched" to continue.
bool is_sticky(cudaError_t code) {
  switch (code) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained: return true;
    default: return false;
  }
}

std::string text_of(cudaError_t code) {
  return std::string(cudaGetErrorName(code)) + ": " + cudaGetErrorString(code);
}

Status lost(cudaError_t code) {
  return {StatusCode::kDeviceLost,
          "the CUDA device is lost (" + text_of(code) + "): end this process and start it again"};
}

}  // namespace

Status cuda_status(cudaError_t code, std::string_view what) {
  if (code == cudaSuccess) return Status::ok();
  (void)cudaGetLastError();  // an error that is told once must not be found again at the next call
  std::atomic<cudaError_t>& mark = lost_with[static_cast<size_t>(current_device())];
  cudaError_t first = cudaSuccess;
  if (is_sticky(code)) mark.compare_exchange_strong(first, code);
  if (first = mark.load(); first != cudaSuccess) return lost(first).with_context(what);
  const StatusCode kind = code == cudaErrorMemoryAllocation ? StatusCode::kOutOfMemory
                          : code == cudaErrorInsufficientDriver || code == cudaErrorNoDevice ||
                                  code == cudaErrorNoKernelImageForDevice
                              ? StatusCode::kUnsupported
                              : StatusCode::kInternal;
  return {kind, std::string(what) + ": " + text_of(code)};
}

Status device_health(int device) {
  if (device < 0 || device >= kMostDevices) return Status::ok();
  const cudaError_t first = lost_with[static_cast<size_t>(device)].load(std::memory_order_relaxed);
  return first == cudaSuccess ? Status::ok() : lost(first);
}

Status launch_status(std::string_view kernel) { return cuda_status(cudaGetLastError(), kernel); }

}  // namespace penstock::backends::cuda
