// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_status.h"

#include <atomic>
#include <string>

namespace penstock::backends::cuda {
namespace {

std::atomic<cudaError_t> lost_with{cudaSuccess};

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
  if (is_sticky(code)) lost_with.store(code);
  if (const cudaError_t first = lost_with.load(); first != cudaSuccess) {
    return lost(first).with_context(what);
  }
  const StatusCode kind = code == cudaErrorMemoryAllocation ? StatusCode::kOutOfMemory
                          : code == cudaErrorInsufficientDriver || code == cudaErrorNoDevice ||
                                  code == cudaErrorNoKernelImageForDevice
                              ? StatusCode::kUnsupported
                              : StatusCode::kInternal;
  return {kind, std::string(what) + ": " + text_of(code)};
}

Status launch_status(std::string_view kernel) { return cuda_status(cudaGetLastError(), kernel); }

}  // namespace penstock::backends::cuda
