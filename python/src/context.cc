// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "context.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "errors.h"
#include "values.h"

namespace penstock::python {
namespace {

std::string_view view_of_name(nb::handle name) {
  Py_ssize_t size = 0;
  const char* text =
      PyUnicode_Check(name.ptr()) != 0 ? PyUnicode_AsUTF8AndSize(name.ptr(), &size) : nullptr;
  if (text == nullptr) {
    PyErr_Clear();
    raise_type_error("names of inputs and outputs are strings, got " +
                     nb::cast<std::string>(nb::repr(name)));
  }
  return {text, static_cast<size_t>(size)};
}

nb::dict dictionary(nb::handle object, const char* argument) {
  if (nb::isinstance<nb::dict>(object)) return nb::borrow<nb::dict>(object);
  raise_type_error(std::string(argument) + ": expected a dictionary from names to arrays, got " +
                   kind_of(object));
}

// Contexts that live, for the end of the interpreter; guarded by its lock.
std::set<PyContext*>& living() {
  static auto& contexts = *new std::set<PyContext*>;
  return contexts;
}

// Calls without the interpreter's lock, raises what came of it.
template <typename Call>
void unlocked(Call&& call) {
  Status status;
  {
    nb::gil_scoped_release release;
    status = call();
  }
  if (!status.is_ok()) raise(status);
}

void check_bindable(const TensorInfo& output) {
  if (!is_copied(output)) return;
  raise("UnsupportedError", "output '" + output.name +
                                "': strings, sequences and optionals are not written to arrays of "
                                "the caller's: take them from run() or output()");
}

}  // namespace

void PyProfiler::report_step(std::string_view name, double milliseconds) {
  error.guard([&] { function_(nb::str(name.data(), name.size()), milliseconds); });
}

// Marks the context as used by this call: a context belongs to one thread at a time, and other
// threads may call while a run has let go of the interpreter's lock.
class PyContext::Use {
 public:
  explicit Use(PyContext& context) : context_(context) {
    if (context_.busy_.exchange(true, std::memory_order_acquire)) {
      raise("BusyError",
            "this context is in use, by another thread or by the call whose callback this is; "
            "create a context for each thread: they share the engine's weights");
    }
  }
  ~Use() { context_.busy_.store(false, std::memory_order_release); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  PyContext& context_;
};

void* PyOutputAllocator::allocate(std::string_view, const Shape& shape, size_t) {
  const bool given = error.guard([&] {
    array_ = function_(to_tuple(shape));
    TensorInfo info = info_;
    info.shape = shape;
    view_.emplace(view_of(array_, "output", info));
    if (view_->shape != shape) {
      raise("InvalidArgumentError", "output '" + info.name + "': its allocator gave an array of " +
                                        to_string(view_->shape) + " for " + to_string(shape));
    }
  });
  return given ? view_->data : nullptr;
}

PyContext::PyContext(const Engine& engine, const ContextOptions& options) : engine_(engine) {
  context_.emplace(take(engine_.create_context(options)));
  for (const TensorInfo& info : engine_.inputs()) places_.push_back({info, true, {}, false, {}});
  for (const TensorInfo& info : engine_.outputs()) places_.push_back({info, false, {}, false, {}});
  for (const OptimizationProfile& limits : engine_.profiles()) {
    values_tell_shapes_ = values_tell_shapes_ || !limits.values.empty();
  }
  if (!engine_.device().is_host()) device_ = engine_.device().name();
  living().insert(this);
}

PyContext::~PyContext() {
  living().erase(this);
  // An enqueued run may call the profiler, which needs the lock.
  nb::gil_scoped_release release;
  context_.reset();
}

PyContext::Place& PyContext::find(std::string_view name, const char* role) {
  const bool input = std::strcmp(role, "input") == 0;
  for (Place& place : places_) {
    if (place.is_input == input && place.info.name == name) return place;
  }
  std::string known;
  for (const Place& place : places_) {
    if (place.is_input == input) known += (known.empty() ? "'" : ", '") + place.info.name + "'";
  }
  raise("InvalidArgumentError",
        std::string("no ") + role + " is named '" + std::string(name) + "'; there are " + known);
}

// Where the array is on the GPU, once it is filled: the context's own stream waits for no other.
ArrayView PyContext::view(nb::handle object, const char* role, const TensorInfo& info) {
  ArrayView view = view_of(object, role, info, device_);
  if (view.on_device) {
    unlocked([&]() -> Status {
      Result<Stream> filled = engine_.device().wrap_stream(nullptr);
      return filled.is_ok() ? filled->synchronize() : filled.status();
    });
  }
  return view;
}

void PyContext::bind(Place& place, ArrayView array) {
  checked_ = false;
  if (place.is_input) check(context_->set_input_shape(place.info.name, array.shape));
  check(context_->set_tensor_address(place.info.name, array.data));
  place.array = std::move(array);
}

void PyContext::bind_input(Place& place, nb::handle object) {
  if (!is_copied(place.info)) return bind(place, view(object, "input", place.info));
  checked_ = false;
  check(context_->set_input(place.info.name, value_of(object, place.info)));
  place.is_set = true;
}

void PyContext::unbind(Place& place) {
  checked_ = false;
  place.is_set = false;
  if (place.array) (void)context_->set_tensor_address(place.info.name, nullptr);
  place.array.reset();
}

void PyContext::unbind_all() {
  for (Place& place : places_) unbind(place);
}

// What the last enqueued run does with the arrays must be over before they change.
void PyContext::settle() {
  if (!stream_.is_valid()) return;
  {
    nb::gil_scoped_release release;
    (void)context_->wait();
  }
  stream_.reset();
}

void PyContext::set_input(nb::str name, nb::handle array) {
  const Use use(*this);
  settle();
  Place& place = find(view_of_name(name), "input");
  if (array.is_none()) return unbind(place);
  bind_input(place, array);
}

void PyContext::set_output(nb::str name, nb::handle array) {
  const Use use(*this);
  settle();
  Place& place = find(view_of_name(name), "output");
  if (array.is_none()) return unbind(place);
  check_bindable(place.info);
  bind(place, view(array, "output", place.info));
}

void PyContext::set_address(nb::str name, uint64_t address, nb::handle shape) {
  const Use use(*this);
  settle();
  const std::string_view wanted = view_of_name(name);
  const auto is_wanted = [&](const Place& place) { return place.info.name == wanted; };
  const auto found = std::find_if(places_.begin(), places_.end(), is_wanted);
  if (found == places_.end()) find(wanted, "input");
  check_bindable(found->info);
  ArrayView memory;
  memory.shape = to_shape(shape, "shape of '" + found->info.name + "'");
  memory.data = reinterpret_cast<void*>(address);
  memory.bytes = static_cast<size_t>(element_count(memory.shape)) * size_of(found->info.dtype);
  memory.on_device = !device_.empty() && engine_.device().can_reach(memory.data);
  bind(*found, std::move(memory));
}

void PyContext::set_input_consumed_event(nb::object event) {
  const Use use(*this);
  settle();
  const Event* mark = event.is_none() ? nullptr : &nb::cast<const Event&>(event);
  check(context_->set_input_consumed_event(mark));
  consumed_ = std::move(event);
}

void PyContext::check_outputs() {
  for (const Place& place : places_) {
    if (place.is_input || !place.array) continue;
    const Shape shape = take(context_->tensor_shape(place.info.name));
    if (shape != place.array->shape) {
      raise("InvalidArgumentError", "output '" + place.info.name + "': the array's shape is " +
                                        to_string(place.array->shape) + ", these inputs give " +
                                        to_string(shape));
    }
  }
  check_overlaps();
  checked_ = true;
}

void PyContext::check_overlaps() const {
  const auto overlap = [](const ArrayView& a, const ArrayView& b) {
    const auto* first = static_cast<const char*>(a.data);
    const auto* second = static_cast<const char*>(b.data);
    return first < second + b.bytes && second < first + a.bytes;
  };
  for (size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].is_input || !places_[i].array) continue;
    for (size_t j = 0; j < i; ++j) {
      if (!places_[j].array || !overlap(*places_[i].array, *places_[j].array)) continue;
      raise("InvalidArgumentError", "output '" + places_[i].info.name + "' shares memory with " +
                                        (places_[j].is_input ? "input '" : "output '") +
                                        places_[j].info.name + "'; give it memory of its own");
    }
  }
}

void PyContext::rethrow_callbacks() {
  if (profiler_) profiler_->error.rethrow();
  for (const Place& place : places_) {
    if (place.allocator) place.allocator->error.rethrow();
  }
}

void PyContext::execute_bound() {
  if (!checked_ || values_tell_shapes_) check_outputs();
  Status status;
  {
    nb::gil_scoped_release release;
    status = context_->run();
  }
  rethrow_callbacks();
  if (!status.is_ok()) raise(status);
}

void PyContext::execute() {
  const Use use(*this);
  settle();
  execute_bound();
}

void PyContext::enqueue(nb::object stream) {
  const Use use(*this);
  if (!nb::isinstance<PyStream>(stream)) raise_type_error("stream: expected a penstock.Stream");
  // Runs of one context follow each other: on one stream, and on a GPU, by themselves.
  const bool other_stream = stream_.is_valid() && !stream_.is(stream);
  if (!checked_ || (other_stream && device_.empty())) settle();
  if (!checked_ || values_tell_shapes_) check_outputs();
  Stream& queue = nb::cast<PyStream&>(stream).get();
  unlocked([&] { return context_->enqueue(queue); });
  stream_ = std::move(stream);
}

void PyContext::wait() {
  const Use use(*this);
  if (!stream_.is_valid()) return;
  Status status;
  {
    nb::gil_scoped_release release;
    status = context_->wait();
  }
  stream_.reset();
  rethrow_callbacks();
  if (!status.is_ok()) raise(status);
}

void PyContext::bind_inputs(nb::dict inputs) {
  for (const auto& [name, array] : inputs) {
    bind_input(find(view_of_name(name), "input"), array);
  }
  for (Place& place : places_) {
    const bool is_optional = place.info.kind == ValueKind::kOptionalTensor ||
                             place.info.kind == ValueKind::kOptionalSequence;
    if (place.is_input && is_optional && !place.is_set) bind_input(place, nb::none());
    if (place.is_input && !place.array && !place.is_set) {
      raise("InvalidArgumentError", "input '" + place.info.name + "' is missing");
    }
  }
}

void PyContext::bind_outputs(nb::handle outputs) {
  if (outputs.is_none()) return;
  for (const auto& [name, array] : dictionary(outputs, "outputs")) {
    Place& place = find(view_of_name(name), "output");
    check_bindable(place.info);
    bind(place, view(array, "output", place.info));
  }
}

void PyContext::make_outputs(nb::dict& results) {
  for (Place& place : places_) {
    if (place.is_input || place.array || place.allocator || is_copied(place.info)) continue;
    const Shape shape = take(context_->tensor_shape(place.info.name));
    const bool known = std::all_of(shape.begin(), shape.end(), [](int64_t n) { return n >= 0; });
    if (!known) continue;
    nb::object array = empty_array(shape, place.info.dtype);
    ArrayView view = view_of(array, "output", place.info);
    // Refused where only the run tells the shape: that output is copied afterwards.
    if (!context_->set_tensor_address(place.info.name, view.data).is_ok()) continue;
    place.array = std::move(view);
    results[nb::str(place.info.name.data(), place.info.name.size())] = array;
  }
}

nb::dict PyContext::run_bound() {
  nb::dict made;
  check_outputs();
  make_outputs(made);
  execute_bound();
  nb::dict results;
  for (const Place& place : places_) {
    if (place.is_input) continue;
    const nb::str name(place.info.name.data(), place.info.name.size());
    if (made.contains(name)) {
      results[name] = made[name];
    } else if (place.allocator) {
      results[name] = place.allocator->array();
    } else if (!place.array) {
      results[name] = copy_output(place);
    }
  }
  return results;
}

nb::dict PyContext::run(nb::handle inputs, nb::handle outputs) {
  const Use use(*this);
  settle();
  unbind_all();
  // The arrays are the caller's: forget them on every way out.
  struct Forget {
    PyContext& context;
    ~Forget() { context.unbind_all(); }
  } forget{*this};
  bind_inputs(dictionary(inputs, "inputs"));
  bind_outputs(outputs);
  nb::dict results = run_bound();
  if (!outputs.is_none()) results.update(dictionary(outputs, "outputs"));
  return results;
}

nb::object PyContext::copy_output(const Place& place) {
  if (is_copied(place.info)) return to_python(take(context_->output_value(place.info.name)));
  const OutputView view = take(context_->output(place.info.name));
  nb::object array = empty_array(view.shape, view.dtype);
  TensorInfo info = place.info;
  const ArrayView target = view_of(array, "output", info);
  const Device device = engine_.device();
  if (!device.is_host() && device.can_reach(view.data)) {
    unlocked([&]() -> Status {
      PENSTOCK_ASSIGN_OR_RETURN(Stream stream, device.create_stream());
      PENSTOCK_RETURN_IF_ERROR(device.copy_out(target.data, view.data, target.bytes, stream));
      return stream.synchronize();
    });
  } else if (target.bytes > 0) {
    std::memcpy(target.data, view.data, target.bytes);
  }
  return array;
}

nb::object PyContext::output(nb::str name) {
  const Use use(*this);
  settle();
  return copy_output(find(view_of_name(name), "output"));
}

nb::object PyContext::shape(nb::str name) {
  const Use use(*this);
  return to_tuple(take(context_->tensor_shape(view_of_name(name))));
}

void PyContext::set_input_shape(nb::str name, nb::handle shape) {
  const Use use(*this);
  settle();
  Place& place = find(view_of_name(name), "input");
  if (place.info.kind != ValueKind::kTensor) {
    raise("InvalidArgumentError", "input '" + place.info.name +
                                      "' has no shape of its own: give "
                                      "it with set_input()");
  }
  const Shape extents = to_shape(shape, "shape of input '" + place.info.name + "'");
  check(context_->set_input_shape(place.info.name, extents));
  // An array of another shape would be read beyond its end.
  if (place.array && place.array->shape != extents) unbind(place);
  checked_ = false;
}

void PyContext::set_output_allocator(nb::str name, nb::object function) {
  const Use use(*this);
  if (!function.is_none() && PyCallable_Check(function.ptr()) == 0) {
    raise_type_error("allocator: expected a function of a shape, or None");
  }
  settle();
  Place& place = find(view_of_name(name), "output");
  check_bindable(place.info);
  std::unique_ptr<PyOutputAllocator> allocator;
  if (!function.is_none()) {
    allocator = std::make_unique<PyOutputAllocator>(place.info, std::move(function));
  }
  check(context_->set_output_allocator(place.info.name, allocator.get()));
  place.allocator = std::move(allocator);
}

void PyContext::set_optimization_profile(std::optional<int> index) {
  const Use use(*this);
  settle();
  check(context_->set_optimization_profile(index.value_or(kAutomaticProfile)));
  checked_ = false;
}

std::optional<int> PyContext::optimization_profile() {
  const Use use(*this);
  const int index = context_->optimization_profile();
  return index < 0 ? std::nullopt : std::optional<int>(index);
}

void PyContext::set_profiler(nb::object function) {
  const Use use(*this);
  if (!function.is_none() && PyCallable_Check(function.ptr()) == 0) {
    raise_type_error("profiler: expected a function of a name and milliseconds, or None");
  }
  settle();
  std::unique_ptr<PyProfiler> profiler;
  if (!function.is_none()) profiler = std::make_unique<PyProfiler>(std::move(function));
  context_->set_profiler(profiler.get());
  profiler_ = std::move(profiler);
}

size_t PyContext::memory_bytes() {
  const Use use(*this);
  return context_->memory_bytes();
}

uint64_t PyContext::scratch_bytes() {
  const Use use(*this);
  Result<uint64_t> bytes = Status();
  {
    nb::gil_scoped_release unlocked;
    bytes = context_->scratch_bytes();
  }
  return take(std::move(bytes));
}

void PyContext::set_scratch_memory(uint64_t address, uint64_t bytes) {
  const Use use(*this);
  settle();
  check(context_->set_scratch_memory(reinterpret_cast<void*>(address), bytes));
}

// Alone among the calls, while another thread runs.
void PyContext::cancel() { context_->cancel(); }

void PyContext::settle_all() {
  for (PyContext* context : living()) context->settle();
}

void bind_context(nb::module_& module) {
  // A callback on a stream's thread cannot enter an interpreter that ends.
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&PyContext::settle_all));
  nb::class_<PyContext>(module, "Context",
                        "One execution of an engine at a time; made by Engine.create_context(). A "
                        "context is used by one thread at a time, contexts run side by side.")
      .def(
          "__init__",
          [](PyContext* self, const Engine& engine, int threads, std::optional<int> profile,
             int64_t iterations, uint64_t memory) {
            new (self) PyContext(
                engine, {threads, profile.value_or(kAutomaticProfile), iterations, memory});
          },
          nb::arg("engine"), nb::arg("threads") = 0, nb::arg("profile") = nb::none(),
          nb::arg("max_loop_iterations") = ContextOptions().max_loop_iterations,
          nb::arg("max_memory_bytes") = 0)
      .def("run", &PyContext::run, nb::arg("inputs"), nb::arg("outputs") = nb::none(),
           nb::sig("def run(self, inputs: dict[str, typing.Any], outputs: dict[str, typing.Any] | "
                   "None = None) -> dict[str, numpy.ndarray]"),
           "Runs on these arrays and gives {output: array}: those of `outputs` where given, which "
           "are written in place, else new ones. Forgets what set_input and set_output bound.")
      .def("set_input", &PyContext::set_input, nb::arg("name"), nb::arg("array").none(),
           "Reads this input from the array, where it is, at every execute() and enqueue(). None "
           "forgets it.")
      .def("set_output", &PyContext::set_output, nb::arg("name"), nb::arg("array").none(),
           "Writes this output to the array, where it is, at every execute() and enqueue(). None "
           "forgets it.")
      .def("set_address", &PyContext::set_address, nb::arg("name"), nb::arg("address"),
           nb::arg("shape"),
           nb::sig("def set_address(self, name: str, address: int, shape: "
                   "collections.abc.Sequence[int]) -> None"),
           "Reads an input from, or writes an output to, row-major memory of this shape at an "
           "address, on the host or on the engine's device. The caller keeps it.")
      .def("set_input_consumed_event", &PyContext::set_input_consumed_event,
           nb::arg("event").none(),
           nb::sig("def set_input_consumed_event(self, event: Event | None) -> None"),
           "An event of the engine's device, recorded in each run once the inputs may be "
           "overwritten. None ends that.")
      .def("execute", &PyContext::execute, "Runs on the bound arrays and returns when it is done.")
      .def("enqueue", &PyContext::enqueue, nb::arg("stream"),
           nb::sig("def enqueue(self, stream: Stream) -> None"),
           "Runs on the bound arrays after what the stream holds; returns at once. On a GPU its "
           "kernels lie in the stream then: what others enqueue there next comes after them.")
      .def("wait", &PyContext::wait, "Waits for the last enqueued run; raises its error.")
      .def("cancel", &PyContext::cancel,
           "Ends the run in progress, if there is one, with CancelledError. From any thread.")
      .def("output", &PyContext::output, nb::arg("name"),
           nb::sig("def output(self, name: str) -> numpy.ndarray"),
           "A copy of an output of the last run.")
      .def("shape", &PyContext::shape, nb::arg("name"),
           nb::sig("def shape(self, name: str) -> tuple[int, ...]"),
           "The shape of an input or output under the present input shapes; -1 where only the run "
           "tells.")
      .def("set_input_shape", &PyContext::set_input_shape, nb::arg("name"), nb::arg("shape"),
           nb::sig("def set_input_shape(self, name: str, shape: collections.abc.Sequence[int]) -> "
                   "None"),
           "Sets an input's shape before its array is there, so that shape() knows the outputs'. "
           "It stays until another is set; a bound array of another shape is forgotten.")
      .def("set_output_allocator", &PyContext::set_output_allocator, nb::arg("name"),
           nb::arg("function").none(),
           "For an output whose shape only the run tells: writes it to the array that "
           "function(shape) gives during the run. None ends that.")
      .def("set_optimization_profile", &PyContext::set_optimization_profile,
           nb::arg("index").none(),
           "Runs under this profile from now on; None, the default: under the first that the "
           "inputs fit.")
      .def_prop_ro("optimization_profile", &PyContext::optimization_profile,
                   "The profile in use; where the inputs choose it, that of the last run, None "
                   "before the first.")
      .def("set_profiler", &PyContext::set_profiler, nb::arg("function").none(),
           "Calls function(step, milliseconds) after every step; None ends that.")
      .def_prop_ro("memory_bytes", &PyContext::memory_bytes, "Scratch memory held now.")
      .def_prop_ro("scratch_bytes", &PyContext::scratch_bytes,
                   "Bytes that the steps need of the device's memory for workspace and the values "
                   "between them, under the present input shapes.")
      .def("set_scratch_memory", &PyContext::set_scratch_memory, nb::arg("address"),
           nb::arg("nbytes"),
           "Memory of the engine's device for that, in place of the context's own, which the "
           "caller keeps until another is set; 0 ends it. That no two contexts run on it at the "
           "same time is the caller's affair.");
}

}  // namespace penstock::python
