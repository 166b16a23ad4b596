// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "arrays.h"
#include "bindings.h"
#include "context.h"
#include "errors.h"

namespace penstock::python {
namespace {

Result<Engine> deserialize(Result<Plan> plan, const EngineOptions& options) {
  PENSTOCK_RETURN_IF_ERROR(plan.status());
  return Engine::deserialize(*std::move(plan), options);
}

Engine open(nb::object plan, const EngineOptions& options) {
  std::optional<Result<Engine>> engine;
  if (nb::isinstance<PyPlan>(plan)) {
    const Plan bytes = nb::cast<PyPlan&>(plan).plan;
    nb::gil_scoped_release unlocked;
    engine = Engine::deserialize(bytes, options);
  } else if (PyObject_CheckBuffer(plan.ptr()) != 0) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(plan.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw nb::python_error();
    {
      nb::gil_scoped_release unlocked;
      engine = deserialize(
          Plan::copy({static_cast<const std::byte*>(buffer.buf), static_cast<size_t>(buffer.len)}),
          options);
    }
    PyBuffer_Release(&buffer);
  } else if (nb::isinstance<nb::str>(plan) || nb::hasattr(plan, "__fspath__")) {
    const auto path = nb::cast<std::filesystem::path>(plan);
    nb::gil_scoped_release unlocked;
    engine = Engine::load(path, options);
  } else {
    raise_type_error("plan: expected a path, a Plan or bytes, got " + kind_of(plan));
  }
  return take(*std::move(engine));
}

// A profile as {input: (min, opt, max)}; -1 where there is no largest extent.
nb::dict shapes_of(const OptimizationProfile& profile) {
  nb::dict shapes;
  for (const auto& [name, range] : profile.inputs) {
    shapes[nb::str(name.data(), name.size())] =
        nb::make_tuple(to_tuple(range.min), to_tuple(range.opt), to_tuple(range.max));
  }
  return shapes;
}

// The same of the values of shape inputs; max is None where no value has a limit.
nb::dict values_of(const OptimizationProfile& profile) {
  nb::dict values;
  for (const auto& [name, range] : profile.values) {
    const bool limited = std::any_of(range.max.begin(), range.max.end(),
                                     [](int64_t most) { return most != ValueRange::kNoLimit; });
    nb::object max = nb::none();
    if (limited || range.max.empty()) max = to_tuple(range.max);
    values[nb::str(name.data(), name.size())] =
        nb::make_tuple(to_tuple(range.min), to_tuple(range.opt), max);
  }
  return values;
}

template <typename Part>
nb::list each_profile(const Engine& engine, Part&& part) {
  nb::list list;
  for (const OptimizationProfile& profile : engine.profiles()) list.append(part(profile));
  return list;
}

std::string text_of(const TensorInfo& info) {
  std::string dims;
  for (const std::string& dim : info.dims) dims += (dims.empty() ? "" : ", ") + dim;
  return "<penstock.TensorInfo '" + info.name + "': " + std::string(to_string(info.dtype)) + " [" +
         dims + "]>";
}

nb::tuple names_of(const TensorInfo& info) {
  nb::list names;
  for (const std::string& dim : info.dims) names.append(nb::str(dim.data(), dim.size()));
  return nb::tuple(names);
}

void bind_tensor_info(nb::module_& module) {
  nb::class_<TensorInfo>(module, "TensorInfo", "What a caller must know of an input or output.")
      .def_ro("name", &TensorInfo::name)
      .def_prop_ro(
          "dtype", [](const TensorInfo& self) { return numpy_dtype(self.dtype); },
          nb::sig("def dtype(self) -> numpy.dtype"), "NumPy's type, or ml_dtypes'.")
      .def_prop_ro(
          "kind", [](const TensorInfo& self) { return std::string(to_string(self.kind)); },
          "'tensor', 'sequence', 'optional' or 'optional sequence'; the type is its tensors'.")
      .def_prop_ro(
          "onnx_dtype", [](const TensorInfo& self) { return static_cast<int>(self.dtype); },
          "The number of the type in onnx.TensorProto.DataType.")
      .def_prop_ro(
          "shape", [](const TensorInfo& self) { return to_tuple(self.shape); },
          nb::sig("def shape(self) -> tuple[int, ...]"), "-1 stands for an extent that varies.")
      .def_prop_ro("dims", &names_of, nb::sig("def dims(self) -> tuple[str, ...]"),
                   "A name or expression for each extent, such as 'batch' or 'batch*12'.")
      .def("__repr__", &text_of);
}

}  // namespace

void bind_engine(nb::module_& module) {
  bind_tensor_info(module);
  nb::class_<SharedScratch>(module, "SharedScratch",
                            "Scratch memory that contexts share, as much as the most demanding of "
                            "them needs; made by Engine.create_shared_scratch().")
      .def_prop_ro("nbytes", &SharedScratch::bytes, "Held now.");
  nb::class_<Engine>(module, "Engine",
                     "An opened plan: immutable, usable from any thread, owner of the weights that "
                     "all its contexts share.")
      .def(
          "__init__",
          [](Engine* self, nb::object plan, const std::string& device, uint64_t memory_limit) {
            new (self) Engine(open(plan, {device, memory_limit}));
          },
          nb::arg("plan"), nb::arg("device") = "auto", nb::arg("memory_limit") = 0,
          nb::sig("def __init__(self, plan: str | os.PathLike[str] | Plan | bytes, device: str = "
                  "'auto', memory_limit: int = 0)"),
          "Opens a plan: a file, which is mapped, a Plan, which is shared, or bytes, copied. A "
          "plan "
          "for a GPU runs on any of the same architecture: 'cuda:1'; 'auto' is the first, or what "
          "the environment's PENSTOCK_DEVICE names. A memory_limit in bytes is set on the device, "
          "for the whole process: Device.set_memory_limit().")
      .def_prop_ro(
          "device", [](const Engine& self) { return self.device(); }, "The Device that it runs on.")
      .def_prop_ro("inputs", &Engine::inputs)
      .def_prop_ro("outputs", &Engine::outputs)
      .def_prop_ro("input_contracts", &contracts_of,
                   nb::sig("def input_contracts(self) -> dict[str, dict[str, typing.Any]]"),
                   "What the plan expects of inputs: {input: {'min', 'max', 'source'}}, and 'mean' "
                   "and 'std' where they were given; 'source' is 'given' or 'calibration'.")
      .def_prop_ro(
          "profile", [](const Engine& self) { return shapes_of(self.profile()); },
          nb::sig("def profile(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...], "
                  "tuple[int, ...]]]"),
          "The first profile: {input: (min, opt, max)}; -1 where there is no largest extent.")
      .def_prop_ro(
          "profiles", [](const Engine& self) { return each_profile(self, shapes_of); },
          nb::sig("def profiles(self) -> list[dict[str, tuple[tuple[int, ...], tuple[int, ...], "
                  "tuple[int, ...]]]]"),
          "All profiles, each as {input: (min, opt, max)}.")
      .def_prop_ro(
          "profile_values", [](const Engine& self) { return each_profile(self, values_of); },
          nb::sig("def profile_values(self) -> list[dict[str, tuple[tuple[int, ...], tuple[int, "
                  "...], tuple[int, ...] | None]]]"),
          "For each profile the values of shape inputs, as {input: (min, opt, max)}; None where "
          "there is no largest value.")
      .def_prop_ro("name", &Engine::model_name, "The model's name.")
      .def_prop_ro("threads", &Engine::threads, "Threads that the plan was tuned for.")
      .def_prop_ro("plan_bytes", &Engine::plan_bytes)
      .def_prop_ro("weight_bytes", &Engine::weight_bytes)
      .def_prop_ro(
          "kernels", [](const Engine& self) { return self.step_count(); },
          "Kernel calls of a run, under the first profile.")
      .def(
          "create_context",
          [](const Engine& self, int threads, std::optional<int> profile, int64_t iterations,
             uint64_t memory, const SharedScratch* scratch) {
            return new PyContext(self, {threads, profile.value_or(kAutomaticProfile), iterations,
                                        memory, scratch == nullptr ? SharedScratch() : *scratch});
          },
          nb::arg("threads") = 0, nb::arg("profile") = nb::none(),
          nb::arg("max_loop_iterations") = ContextOptions().max_loop_iterations,
          nb::arg("max_memory_bytes") = 0, nb::arg("scratch") = nb::none(),
          nb::sig("def create_context(self, threads: int = 0, profile: int | None = None, "
                  "max_loop_iterations: int = 10000000, max_memory_bytes: int = 0, scratch: "
                  "SharedScratch | None = None) -> Context"),
          "A context of its own shapes, arrays and scratch memory; 0 threads: as many as the plan "
          "was tuned for. It runs under this profile, or under the first that its inputs fit. A "
          "run "
          "whose loops go on for more than max_loop_iterations in all (0: no limit), or that needs "
          "more than max_memory_bytes (0: what host and device have), ends with an error. Contexts "
          "that are given one SharedScratch share that memory, and run one after the other.")
      .def("create_shared_scratch", &Engine::create_shared_scratch,
           "Scratch memory for contexts, of this engine and others of its device, that do not run "
           "at the same time.")
      .def(
          "create_stream",
          [](const Engine& self, int threads) {
            return PyStream(take(self.create_stream(threads)));
          },
          nb::arg("threads") = 0,
          "An in-order queue; 0 threads: as many as the plan was tuned for.")
      .def("__repr__", [](const Engine& self) {
        return "<penstock.Engine '" + self.model_name() + "', " +
               std::to_string(self.step_count()) + " kernels>";
      });
}

}  // namespace penstock::python
