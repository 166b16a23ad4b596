// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/dynamic_library.h"

#include <dlfcn.h>

namespace penstock::backends::cuda {

DynamicLibrary::DynamicLibrary(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) {
      error_.clear();
      return;
    }
    if (error_.empty()) error_ = dlerror();
  }
}

void* DynamicLibrary::address_of(const char* name) {
  if (handle_ == nullptr) return nullptr;
  void* address = dlsym(handle_, name);
  if (address == nullptr && error_.empty()) error_ = dlerror();
  return address;
}

}  // namespace penstock::backends::cuda
