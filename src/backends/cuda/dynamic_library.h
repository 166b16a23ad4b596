// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <vector>

namespace penstock::backends::cuda {

// One of NVIDIA's libraries, opened at run time and kept open: where it is not installed, the
// tactics on it are refused with a reason, and nothing else is lost.
class DynamicLibrary {
 public:
  // The first of the names that the system finds.
  explicit DynamicLibrary(const std::vector<std::string>& names);

  bool is_open() const { return handle_ != nullptr; }
  // Why it is not open, or which function it lacks.
  const std::string& error() const { return error_; }
  void* handle() const { return handle_; }

  // Sets `function` to what the library has under `name`; notes the error where it has nothing.
  template <typename Function>
  void find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(address_of(name));
  }

 private:
  void* address_of(const char* name);

  void* handle_ = nullptr;
  std::string error_;
};

}  // namespace penstock::backends::cuda
