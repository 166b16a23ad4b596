// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "errors.h"

namespace penstock::python {
namespace {

const char* error_class(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument: return "InvalidArgumentError";
    case StatusCode::kInvalidModel: return "InvalidModelError";
    case StatusCode::kInvalidPlan: return "InvalidPlanError";
    case StatusCode::kUnsupported: return "UnsupportedError";
    case StatusCode::kNotFound: return "NotFoundError";
    case StatusCode::kIoError: return "InputOutputError";
    case StatusCode::kOutOfMemory: return "OutOfMemoryError";
    case StatusCode::kDeviceLost: return "DeviceLostError";
    case StatusCode::kCancelled: return "CancelledError";
    default: return "InternalError";
  }
}

[[noreturn]] void raise(PyObject* type, const std::string& message) {
  // Names in models may be no UTF-8: what cannot be decoded is replaced.
  nb::object text =
      nb::steal(PyUnicode_DecodeUTF8(message.data(), nb::ssize_t(message.size()), "replace"));
  PyErr_SetObject(type, text.ptr());
  throw nb::python_error();
}

}  // namespace

void raise(const char* error_class, const std::string& message) {
  const nb::object type = nb::module_::import_("penstock.errors").attr(error_class);
  raise(type.ptr(), message);
}

void raise(const Status& status) { raise(error_class(status.code()), status.message()); }

void raise_type_error(const std::string& message) { raise(PyExc_TypeError, message); }

}  // namespace penstock::python
