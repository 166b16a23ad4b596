// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_backend.h"

#include <new>

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/cuda_stream.h"

namespace penstock::backends::cuda {
namespace {

int attribute(cudaDeviceAttr which) {
  int device = 0;
  int value = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&value, which, device) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return value;
}

}  // namespace

int compute_capability() {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor) +
         attribute(cudaDevAttrComputeCapabilityMinor);
}

Result<std::shared_ptr<CudaBackend>> CudaBackend::create(int device,
                                                         std::vector<const TacticSource*> sources) {
  int count = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetDeviceCount(&count), "looking for CUDA devices"));
  if (device < 0 || device >= count) {
    return Status(StatusCode::kUnsupported, "there is no CUDA device " + std::to_string(device) +
                                                "; there are " + std::to_string(count));
  }
  cudaDeviceProp properties{};
  PENSTOCK_RETURN_IF_ERROR(
      cuda_status(cudaGetDeviceProperties(&properties, device), "asking for the CUDA device"));
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaSetDevice(device), "choosing the CUDA device"));
  return std::shared_ptr<CudaBackend>(new CudaBackend(device, properties, std::move(sources)));
}

CudaBackend::CudaBackend(int device, const cudaDeviceProp& properties,
                         std::vector<const TacticSource*> sources)
    : device_(device),
      device_name_(properties.name),
      compute_capability_(10 * properties.major + properties.minor),
      sources_(std::move(sources)) {}

std::string CudaBackend::fingerprint() const {
  return "cuda:" + device_name_ + ":" + instruction_set();
}

std::string CudaBackend::instruction_set() const {
  return "sm_" + std::to_string(compute_capability_);
}

bool CudaBackend::supports_instruction_set(std::string_view name) const {
  return name == instruction_set();
}

void* CudaBackend::allocate(size_t bytes) {
  void* memory = nullptr;
  const bool chosen = cudaSetDevice(device_) == cudaSuccess;
  if (chosen && cudaMalloc(&memory, bytes == 0 ? 64 : bytes) == cudaSuccess) return memory;
  (void)cudaGetLastError();
  return nullptr;
}

void CudaBackend::deallocate(void* memory, size_t) { (void)cudaFree(memory); }

void* CudaBackend::allocate_staging(size_t bytes) {
  void* memory = nullptr;
  const bool chosen = cudaSetDevice(device_) == cudaSuccess;
  if (chosen && cudaMallocHost(&memory, bytes == 0 ? 64 : bytes) == cudaSuccess) return memory;
  (void)cudaGetLastError();
  return nullptr;
}

void CudaBackend::deallocate_staging(void* memory, size_t) { (void)cudaFreeHost(memory); }

Status CudaBackend::copy_in(void* device, const void* host, size_t bytes, Stream& stream) {
  if (bytes == 0) return Status::ok();
  return cuda_status(
      cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_of(stream)),
      "copy to the device");
}

Status CudaBackend::copy_out(void* host, const void* device, size_t bytes, Stream& stream) {
  if (bytes == 0) return Status::ok();
  return cuda_status(
      cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_of(stream)),
      "copy from the device");
}

bool CudaBackend::can_reach(const void* address) const {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, address) != cudaSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeManaged ||
         (attributes.type == cudaMemoryTypeDevice && attributes.device == device_);
}

Result<std::unique_ptr<Stream>> CudaBackend::create_stream(int) {
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudaStream> stream, CudaStream::create(device_));
  return std::unique_ptr<Stream>(std::move(stream));
}

std::unique_ptr<Event> CudaBackend::create_event() { return std::make_unique<CudaEvent>(); }

}  // namespace penstock::backends::cuda
