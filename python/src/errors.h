// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>
#include <penstock/status.h>

#include <string>
#include <utility>

namespace penstock::python {

namespace nb = nanobind;

// Raises the class of penstock.errors that stands for a status code.
[[noreturn]] void raise(const Status& status);
// Raises a class of penstock.errors, or TypeError.
[[noreturn]] void raise(const char* error_class, const std::string& message);
[[noreturn]] void raise_type_error(const std::string& message);

// The name of an object's type, for messages.
inline std::string kind_of(nb::handle object) { return Py_TYPE(object.ptr())->tp_name; }

inline void check(const Status& status) {
  if (!status.is_ok()) raise(status);
}

template <typename T>
T take(Result<T> result) {
  if (!result.is_ok()) raise(result.status());
  return *std::move(result);
}

}  // namespace penstock::python
