// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/context.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arrays.h"
#include "bindings.h"

namespace penstock::python {

// Tells a Python function the time of each step.
class PyProfiler : public Profiler {
 public:
  explicit PyProfiler(nb::object function) : function_(std::move(function)) {}
  void report_step(std::string_view name, double milliseconds) override;
  CallbackError error;

 private:
  nb::object function_;
};

// Asks a Python function for the array of an output whose shape only the run tells.
class PyOutputAllocator : public OutputAllocator {
 public:
  PyOutputAllocator(TensorInfo info, nb::object function)
      : info_(std::move(info)), function_(std::move(function)) {}
  void* allocate(std::string_view output, const Shape& shape, size_t bytes) override;
  // What the function gave for the last run.
  const nb::object& array() const { return array_; }
  CallbackError error;

 private:
  TensorInfo info_;
  nb::object function_;
  nb::object array_;
  std::optional<ArrayView> view_;
};

// An execution context with the Python arrays that it reads and writes.
class PyContext {
 public:
  PyContext(const Engine& engine, const ContextOptions& options);
  ~PyContext();

  nb::dict run(nb::handle inputs, nb::handle outputs);
  void set_input(nb::str name, nb::handle array);
  void set_output(nb::str name, nb::handle array);
  // Row-major memory of the host or of the engine's device, which the caller keeps; an input's
  // shape, and of an output the one that its memory is for.
  void set_address(nb::str name, uint64_t address, nb::handle shape);
  void set_input_consumed_event(nb::object event);
  void execute();
  void enqueue(nb::object stream);
  void wait();
  nb::object output(nb::str name);
  nb::object shape(nb::str name);
  void set_input_shape(nb::str name, nb::handle shape);
  void set_output_allocator(nb::str name, nb::object function);
  // None: the first that the inputs fit.
  void set_optimization_profile(std::optional<int> index);
  std::optional<int> optimization_profile();
  void set_profiler(nb::object function);
  size_t memory_bytes();
  uint64_t scratch_bytes();
  // Memory of the engine's device, which the caller keeps; 0 ends it.
  void set_scratch_memory(uint64_t address, uint64_t bytes);
  void cancel();
  // Waits for the enqueued runs of all contexts.
  static void settle_all();

 private:
  class Use;
  // A tensor of the engine with the array bound to it.
  struct Place {
    TensorInfo info;
    bool is_input = false;
    std::optional<ArrayView> array;
    bool is_set = false;  // an input that was copied in: see is_copied
    std::unique_ptr<PyOutputAllocator> allocator;
  };

  Place& find(std::string_view name, const char* role);
  ArrayView view(nb::handle object, const char* role, const TensorInfo& info);
  void bind_input(Place& place, nb::handle object);
  void bind(Place& place, ArrayView array);
  void unbind(Place& place);
  void unbind_all();
  void bind_inputs(nb::dict inputs);
  void bind_outputs(nb::handle outputs);
  nb::dict run_bound();
  // Arrays for the outputs that have none and whose shapes are known before the run.
  void make_outputs(nb::dict& results);
  void check_outputs();
  void check_overlaps() const;
  void execute_bound();
  void settle();
  nb::object copy_output(const Place& place);
  void rethrow_callbacks();

  Engine engine_;
  std::optional<ExecutionContext> context_;
  std::vector<Place> places_;  // inputs, then outputs
  std::unique_ptr<PyProfiler> profiler_;
  ArrayDevice device_;    // whose arrays are taken where they are
  nb::object consumed_;   // the event of set_input_consumed_event()
  nb::object stream_;     // while a run is enqueued on it
  bool checked_ = false;  // the bound outputs fit the present input shapes
  bool values_tell_shapes_ = false;
  std::atomic<bool> busy_ = false;
};

}  // namespace penstock::python
