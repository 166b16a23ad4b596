// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_backend.h"

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

// 13000 is CUDA 13.0.
std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Why there are no devices, and what to do.
Status no_devices(cudaError_t code) {
  (void)cudaGetLastError();
  int driver = 0;
  int runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = 0;
  if (driver == 0) {
    return {StatusCode::kUnsupported,
            "there is no NVIDIA driver here; install one, or use device 'cpu'"};
  }
  if (code == cudaErrorInsufficientDriver) {
    return {StatusCode::kUnsupported, "the NVIDIA driver is too old: it runs CUDA " +
                                          version_text(driver) + " at most, and this build needs " +
                                          version_text(runtime) +
                                          "; install a newer driver, or use device 'cpu'"};
  }
  if (code == cudaSuccess || code == cudaErrorNoDevice) {
    return {StatusCode::kUnsupported,
            "there is no GPU here that the NVIDIA driver shows to this process (see nvidia-smi and "
            "CUDA_VISIBLE_DEVICES); use device 'cpu'"};
  }
  return cuda_status(code, "looking for CUDA devices");
}

}  // namespace

int compute_capability() {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor) +
         attribute(cudaDevAttrComputeCapabilityMinor);
}

Result<std::shared_ptr<CudaBackend>> CudaBackend::create(int device,
                                                         std::vector<const TacticSource*> sources) {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found != cudaSuccess || count == 0) return no_devices(found);
  if (device < 0 || device >= count) {
    return Status(StatusCode::kUnsupported,
                  "there is no device cuda:" + std::to_string(device) + "; there are " +
                      std::to_string(count) +
                      " GPUs, the last is cuda:" + std::to_string(count - 1));
  }
  cudaDeviceProp properties{};
  PENSTOCK_RETURN_IF_ERROR(
      cuda_status(cudaGetDeviceProperties(&properties, device), "asking for the CUDA device"));
  const std::shared_ptr<CudaBackend> backend(
      new CudaBackend(device, properties, std::move(sources)));
  const CurrentDevice current(*backend);
  // Creates the device's context, where a driver that does not fit says so.
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaFree(nullptr), "choosing the CUDA device"));
  return backend;
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

Status CudaBackend::health() const { return device_health(device_); }

Result<void*> CudaBackend::allocate_memory(size_t bytes) {
  void* memory = nullptr;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaSetDevice(device_), "choosing the device"));
  PENSTOCK_RETURN_IF_ERROR(
      cuda_status(cudaMalloc(&memory, bytes == 0 ? 64 : bytes), "allocation of device memory"));
  return memory;
}

void CudaBackend::free_memory(void* memory) { (void)cudaFree(memory); }

Result<void*> CudaBackend::allocate_staging_memory(size_t bytes) {
  void* memory = nullptr;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaSetDevice(device_), "choosing the device"));
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaMallocHost(&memory, bytes == 0 ? 64 : bytes),
                                       "page-locked memory of " + size_text(bytes)));
  return memory;
}

void CudaBackend::free_staging_memory(void* memory) { (void)cudaFreeHost(memory); }

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

Status CudaBackend::copy_within(void* to, const void* from, size_t bytes, Stream& stream) {
  if (bytes == 0) return Status::ok();
  return cuda_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(stream)),
                     "copy on the device");
}

Status CudaBackend::fill(void* device, uint8_t value, size_t bytes, Stream& stream) {
  if (bytes == 0) return Status::ok();
  return cuda_status(cudaMemsetAsync(device, value, bytes, stream_of(stream)),
                     "filling memory of the device");
}

Result<MemoryFacts> CudaBackend::memory() const {
  size_t free = 0;
  size_t total = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaMemGetInfo(&free, &total), "asking for free memory"));
  return MemoryFacts{total, free};
}

int CudaBackend::make_current() {
  int previous = device_;
  if (cudaGetDevice(&previous) != cudaSuccess) (void)cudaGetLastError();
  if (previous != device_) (void)cudaSetDevice(device_);
  return previous;
}

void CudaBackend::restore_current(int device) {
  if (device != device_) (void)cudaSetDevice(device);
}

Status CudaBackend::synchronize() {
  return cuda_status(cudaDeviceSynchronize(), "work on the CUDA device");
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

Status CudaBackend::check_address(const void* address) const {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, address) != cudaSuccess) {
    (void)cudaGetLastError();
    return Status::ok();
  }
  if (attributes.type != cudaMemoryTypeDevice || attributes.device == device_) return Status::ok();
  return {StatusCode::kInvalidArgument,
          "the address is memory of cuda:" + std::to_string(attributes.device) + ", not of " +
              device() + "; copy it there or to the host"};
}

Result<std::unique_ptr<Stream>> CudaBackend::create_stream(int) {
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudaStream> stream, CudaStream::create(device_));
  return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<Stream>> CudaBackend::wrap_stream(void* native_handle) {
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudaStream> stream,
                            CudaStream::wrap(device_, static_cast<cudaStream_t>(native_handle)));
  return std::unique_ptr<Stream>(std::move(stream));
}

std::unique_ptr<Event> CudaBackend::create_event() { return std::make_unique<CudaEvent>(); }

}  // namespace penstock::backends::cuda

// What the runtime looks up in this library besides its backends: how many devices there are.
extern "C" int penstock_cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}
