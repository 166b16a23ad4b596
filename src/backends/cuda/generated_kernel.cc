// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/generated_kernel.h"

#include <nvrtc.h>

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/cuda_status.h"
#include "backends/cuda/dynamic_library.h"
#include "backends/device_code.h"
#include "backends/elf.h"

namespace penstock::backends::cuda {
namespace {

struct Nvrtc {
  DynamicLibrary library{{"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}};
  decltype(nvrtcCreateProgram)* create = nullptr;
  decltype(nvrtcDestroyProgram)* destroy = nullptr;
  decltype(nvrtcCompileProgram)* compile = nullptr;
  decltype(nvrtcGetProgramLogSize)* log_size = nullptr;
  decltype(nvrtcGetProgramLog)* log = nullptr;
  decltype(nvrtcGetCUBINSize)* code_size = nullptr;
  decltype(nvrtcGetCUBIN)* code = nullptr;
  decltype(nvrtcGetErrorString)* error = nullptr;

  Nvrtc() {
    library.find("nvrtcCreateProgram", create);
    library.find("nvrtcDestroyProgram", destroy);
    library.find("nvrtcCompileProgram", compile);
    library.find("nvrtcGetProgramLogSize", log_size);
    library.find("nvrtcGetProgramLog", log);
    library.find("nvrtcGetCUBINSize", code_size);
    library.find("nvrtcGetCUBIN", code);
    library.find("nvrtcGetErrorString", error);
  }
};

Nvrtc& nvrtc() {
  static Nvrtc the;
  return the;
}

std::string log_of(nvrtcProgram program) {
  size_t size = 0;
  if (nvrtc().log_size(program, &size) != NVRTC_SUCCESS || size == 0) return "";
  std::string log(size, '\0');
  (void)nvrtc().log(program, log.data());
  return log;
}

std::string architecture() { return "sm_" + std::to_string(compute_capability()); }

// Machine code of a source.
Result<std::vector<std::byte>> compile(const std::string& source) {
  const SpentTimer timer(kCompiling);
  if (std::string missing = why_no_nvrtc(); !missing.empty()) {
    return Status(StatusCode::kUnsupported, missing);
  }
  Nvrtc& api = nvrtc();
  nvrtcProgram program = nullptr;
  nvrtcResult result = api.create(&program, source.c_str(), "generated.cu", 0, nullptr, nullptr);
  if (result != NVRTC_SUCCESS) {
    return Status(StatusCode::kInternal, std::string("NVRTC: ") + api.error(result));
  }
  const std::string target = "--gpu-architecture=" + architecture();
  const std::array options = {target.c_str(), "--std=c++17"};
  result = api.compile(program, static_cast<int>(options.size()), options.data());
  if (result != NVRTC_SUCCESS) {
    const std::string log = log_of(program);
    (void)api.destroy(&program);
    return Status(StatusCode::kInternal, "NVRTC refuses a generated kernel: " + log + source);
  }
  size_t size = 0;
  (void)api.code_size(program, &size);
  std::vector<std::byte> code(size);
  result = api.code(program, reinterpret_cast<char*>(code.data()));
  (void)api.destroy(&program);
  if (result != NVRTC_SUCCESS || size == 0) {
    return Status(StatusCode::kInternal, "NVRTC gave no machine code");
  }
  return code;
}

Result<cudaLibrary_t> load(std::span<const std::byte> code) {
  const SpentTimer timer(kLoadingCode);
  cudaLibrary_t library = nullptr;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(
      cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
      "loading a generated kernel"));
  return library;
}

// What is loaded from a source. Kernels live as long as the process: their code is small, and
// contexts that run them may outlast any engine.
struct Loaded {
  cudaLibrary_t library = nullptr;
  std::vector<std::byte> code;
};

// From the plan's device code where it has the source's, else compiled.
Result<Loaded> make(const std::string& source, const CodeKey& key) {
  Loaded loaded;
  if (const CodeView* view = current_device_code().find(key); view != nullptr) {
    loaded.code.assign(view->bytes.begin(), view->bytes.end());
    const Status whole = check_elf(loaded.code, kElfCuda);
    Result<cudaLibrary_t> library = whole.is_ok() ? load(loaded.code) : whole;
    if (library.is_ok()) {
      loaded.library = *library;
      return loaded;
    }
    current_device_code().warn(
        "generated kernels of the plan do not load, and are compiled again: " +
        library.status().message());
  }
  PENSTOCK_ASSIGN_OR_RETURN(loaded.code, compile(source));
  PENSTOCK_ASSIGN_OR_RETURN(loaded.library, load(loaded.code));
  return loaded;
}

struct Cache {
  std::mutex mutex;
  std::map<std::pair<int, CodeKey>, Loaded> loaded;  // by device and source
};

Cache& cache() {
  static auto* the = new Cache;
  return *the;
}

}  // namespace

std::string why_no_nvrtc() { return nvrtc().library.error(); }

Result<cudaKernel_t> compile_kernel(const std::string& source, const std::string& name) {
  int device = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetDevice(&device), "asking for the device"));
  const CodeKey key = CodeKey::of("nvrtc " + architecture() + "\n" + source);
  const std::lock_guard lock(cache().mutex);
  Loaded& loaded = cache().loaded[{device, key}];
  if (loaded.library == nullptr) {
    PENSTOCK_ASSIGN_OR_RETURN(loaded, make(source, key));
  }
  current_device_code().record(key, "nvrtc", loaded.code);
  cudaKernel_t kernel = nullptr;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaLibraryGetKernel(&kernel, loaded.library, name.c_str()),
                                       "looking up kernel " + name));
  return kernel;
}

}  // namespace penstock::backends::cuda
