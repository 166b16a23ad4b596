// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/find_backend.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>

#include "ops/cpu_tactics.h"

namespace penstock::ops {
namespace {

using BackendResult = Result<std::shared_ptr<backends::Backend>>;
using CudaSources = Result<std::vector<const backends::TacticSource*>>;
using CudaBackendEntry = BackendResult*(int device);
using CudaSourcesEntry = void(std::vector<const backends::TacticSource*>& sources);

constexpr const char* kCudaLibrary = "libpenstock_cuda.so.0";

// The library lies beside the one that this code is in.
std::string cuda_library_path() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&find_backend), &info) == 0) return kCudaLibrary;
  return std::filesystem::path(info.dli_fname).replace_filename(kCudaLibrary).string();
}

// A function of the CUDA backend's library, which stays open.
template <typename Entry>
Result<Entry*> cuda_entry(const char* name) {
  void* library = dlopen(cuda_library_path().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) library = dlopen(kCudaLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status(StatusCode::kUnsupported,
                  std::string("the CUDA backend is not installed: ") + dlerror());
  }
  void* entry = dlsym(library, name);
  if (entry == nullptr) {
    return Status(StatusCode::kUnsupported,
                  "the library libpenstock_cuda that is here is none of Penstock's");
  }
  return reinterpret_cast<Entry*>(entry);
}

// One object a device serves the whole process; what failed once is tried again.
BackendResult cuda_backend(int device) {
  static std::mutex mutex;
  static auto* backends = new std::map<int, std::shared_ptr<backends::Backend>>;
  const std::lock_guard lock(mutex);
  std::shared_ptr<backends::Backend>& known = (*backends)[device];
  if (known != nullptr && !known->health().is_ok()) return known->health();
  if (known != nullptr) return known;
  PENSTOCK_ASSIGN_OR_RETURN(CudaBackendEntry* const entry,
                            cuda_entry<CudaBackendEntry>("penstock_cuda_backend"));
  const std::unique_ptr<BackendResult> made(entry(device));
  PENSTOCK_RETURN_IF_ERROR(made->status());
  known = **made;
  return known;
}

std::string_view environment_device() {
  const char* value = std::getenv("PENSTOCK_DEVICE");
  return value == nullptr ? "" : value;
}

// The N of "cuda:N".
std::optional<int> cuda_number(std::string_view device) {
  constexpr std::string_view kPrefix = "cuda:";
  if (device.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::string_view digits = device.substr(kPrefix.size());
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0) {
    return std::nullopt;
  }
  return number;
}

BackendResult named_backend(std::string_view device) {
  if (device == "cpu") return cpu_backend();
  if (device == "cuda") return cuda_backend(0);
  if (const std::optional<int> number = cuda_number(device)) return cuda_backend(*number);
  return Status(StatusCode::kUnsupported,
                "no device '" + std::string(device) + "' here; known are cpu, cuda:N and auto");
}

}  // namespace

namespace {

BackendResult find_working_backend(std::string_view device) {
  const std::string_view wanted = environment_device();
  const bool wants_gpu = wanted.substr(0, 4) == "cuda";
  if (!wanted.empty() && wanted != "auto" &&
      (device == "auto" || (device == "cuda" && wants_gpu))) {
    BackendResult backend = named_backend(wanted);
    if (backend.is_ok()) return backend;
    return backend.status().with_context("the environment's PENSTOCK_DEVICE");
  }
  if (device != "auto") return named_backend(device);
  BackendResult first = cuda_backend(0);
  return first.is_ok() ? std::move(first) : BackendResult(cpu_backend());
}

}  // namespace

BackendResult find_backend(std::string_view device) {
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<backends::Backend> backend,
                            find_working_backend(device));
  // Of the host too, which runs what a GPU has no kernel for.
  for (backends::Backend* each : {backend.get(), cpu_backend().get()}) {
    PENSTOCK_ASSIGN_OR_RETURN(const uint64_t limit,
                              backends::environment_memory_limit(each->device()));
    each->memory_budget().set_default_limit(limit);
  }
  return backend;
}

int cuda_device_count() {
  const auto entry = cuda_entry<int()>("penstock_cuda_device_count");
  return entry.is_ok() ? (*entry)() : 0;
}

CudaSources cuda_tactic_sources() {
  PENSTOCK_ASSIGN_OR_RETURN(CudaSourcesEntry* const entry,
                            cuda_entry<CudaSourcesEntry>("penstock_cuda_tactic_sources"));
  std::vector<const backends::TacticSource*> sources;
  entry(sources);
  return sources;
}

}  // namespace penstock::ops
