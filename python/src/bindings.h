// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>
#include <penstock/engine.h>
#include <penstock/plan.h>
#include <penstock/stream.h>

#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::python {

namespace nb = nanobind;

// Each adds its classes and functions to the module.
void bind_build(nb::module_& module);
void bind_accuracy(nb::module_& module);
void bind_calibration(nb::module_& module);  // before bind_build, which takes its table
void bind_engine(nb::module_& module);
void bind_context(nb::module_& module);
void bind_device(nb::module_& module);
void bind_diagnostics(nb::module_& module);
void bind_custom(nb::module_& module);
void bind_contracts(nb::module_& module);

// {input: {"min", "max", "source", "mean", "std"}}
nb::dict contracts_of(const Engine& engine);

// A plan in memory, with what came of its build.
struct PyPlan {
  Plan plan;
  nb::object summary;  // a BuildSummary, or None where the bytes came from elsewhere
};

// Work on a stream may call into Python: nothing that waits for it may hold the interpreter's lock.
class PyStream {
 public:
  explicit PyStream(Stream stream) : stream_(std::move(stream)) {}
  PyStream(PyStream&&) = default;
  ~PyStream() {
    nb::gil_scoped_release unlocked;
    stream_.reset();
  }
  Stream& get() { return *stream_; }

 private:
  std::optional<Stream> stream_;
};

// The first error that a Python callback raised, kept until the library has returned.
class CallbackError {
 public:
  // Calls `callback`, which may raise; takes the interpreter's lock. False after an error.
  template <typename Callback>
  bool guard(Callback&& callback) {
    nb::gil_scoped_acquire locked;
    if (error_) return false;
    try {
      callback();
    } catch (...) {
      error_ = std::current_exception();
    }
    return !error_;
  }
  // What options take as `progress`; empty where the callback is None, which must live as long.
  std::function<void(std::string_view, double)> progress(const nb::object& callback) {
    if (callback.is_none()) return nullptr;
    return [this, &callback](std::string_view what, double fraction) {
      guard([&] { callback(nb::str(what.data(), what.size()), fraction); });
    };
  }
  // What they take as `cancelled`: Control-C reaches Python as a pending signal, seen only where
  // somebody asks.
  std::function<bool()> cancelled() {
    return [this] {
      return !guard([] {
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
      });
    };
  }
  // With the lock held.
  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  std::exception_ptr error_;
};

}  // namespace penstock::python
