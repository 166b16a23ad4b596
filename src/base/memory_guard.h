// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <new>
#include <stdexcept>
#include <string>

namespace penstock {

// Calls a function that returns a Status or a Result. Memory that it does not get becomes an error
// about `what`: no exception leaves a library.
template <typename Function>
auto guard_memory(std::string_view what, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "no memory for " + std::string(what));
  } catch (const std::length_error&) {
    return Status(StatusCode::kOutOfMemory, std::string(what) + " is larger than any memory");
  }
}

}  // namespace penstock
