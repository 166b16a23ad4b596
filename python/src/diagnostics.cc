// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <penstock/diagnostics.h>

#include <cstring>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"

namespace penstock::python {
namespace {

OnnxBytes onnx_bytes(nb::bytes model, const std::filesystem::path& folder) {
  return {{static_cast<const std::byte*>(model.data()), model.size()}, folder, ""};
}

// JSON text about a Plan, the bytes of a model, or a path to either.
std::string inspect(nb::object source, bool is_model, const std::filesystem::path& folder) {
  Result<std::string> facts = Status();
  if (nb::isinstance<PyPlan>(source)) {
    const Plan plan = nb::cast<PyPlan&>(source).plan;
    nb::gil_scoped_release unlocked;
    facts = inspect_plan(plan);
  } else if (nb::isinstance<nb::bytes>(source)) {
    const OnnxBytes onnx = onnx_bytes(nb::borrow<nb::bytes>(source), folder);
    nb::gil_scoped_release unlocked;
    facts = inspect_model(onnx);
  } else {
    const auto path = nb::cast<std::filesystem::path>(source);
    nb::gil_scoped_release unlocked;
    facts = is_model ? inspect_model(path) : inspect_plan(path);
  }
  return take(std::move(facts));
}

// JSON text about a Plan, or a path to one.
std::string measure_roofline(nb::object source, const std::string& device, size_t profile) {
  Result<std::string> report = Status();
  if (nb::isinstance<PyPlan>(source)) {
    const Plan plan = nb::cast<PyPlan&>(source).plan;
    nb::gil_scoped_release unlocked;
    report = roofline(plan, {device, profile});
  } else {
    const auto path = nb::cast<std::filesystem::path>(source);
    nb::gil_scoped_release unlocked;
    report = roofline(path, {device, profile});
  }
  return take(std::move(report));
}

const Shape& opt_shape(const Engine& engine, const TensorInfo& tensor) {
  const auto range = engine.profile().inputs.find(tensor.name);
  return range == engine.profile().inputs.end() ? tensor.shape : range->second.opt;
}

// Copies of the arrays; random elements where there is none.
std::map<std::string, Tensor> make_inputs(const Engine& engine, nb::dict arrays, uint64_t seed) {
  std::map<std::string, Tensor> inputs;
  for (const TensorInfo& tensor : engine.inputs()) {
    const nb::str name(tensor.name.data(), tensor.name.size());
    const auto values = engine.profile().values.find(tensor.name);
    if (!arrays.contains(name) && values != engine.profile().values.end()) {
      inputs[tensor.name] = integer_tensor(tensor.dtype, tensor.shape, values->second.opt);
      continue;
    }
    if (!arrays.contains(name)) {
      inputs[tensor.name] = random_tensor(tensor.dtype, opt_shape(engine, tensor), seed++);
      continue;
    }
    const ArrayView view = view_of(arrays[name], "input", tensor);
    Tensor copy(tensor.dtype, view.shape);
    if (view.bytes > 0) std::memcpy(copy.data(), view.data, view.bytes);
    inputs[tensor.name] = std::move(copy);
  }
  for (const auto& [name, array] : arrays) {
    if (!nb::isinstance<nb::str>(name) || inputs.count(nb::cast<std::string>(name)) == 0) {
      raise("InvalidArgumentError",
            "inputs: no input is named " + nb::cast<std::string>(nb::repr(name)));
    }
  }
  return inputs;
}

std::vector<LayerError> compare(const Engine& tuned, const Engine& reference, nb::dict arrays,
                                uint64_t seed) {
  const std::map<std::string, Tensor> inputs = make_inputs(tuned, arrays, seed);
  Result<std::vector<LayerError>> errors = Status();
  {
    nb::gil_scoped_release unlocked;
    errors = compare_layers(tuned, reference, inputs);
  }
  return take(std::move(errors));
}

}  // namespace

void bind_diagnostics(nb::module_& module) {
  nb::class_<LayerError>(module, "LayerError",
                         "How far a value of a plan is from the reference kernels'.")
      .def_ro("value", &LayerError::value, "The value's name.")
      .def_ro("error", &LayerError::error,
              "Largest absolute difference, divided by the largest absolute reference value.")
      .def_ro("comparable", &LayerError::comparable, "Both have the same number of elements.")
      .def("__repr__", [](const LayerError& self) {
        return "<penstock.LayerError '" + self.value + "': " + std::to_string(self.error) + ">";
      });
  module.def("_inspect", &inspect, nb::arg("source"), nb::arg("is_model"), nb::arg("folder"));
  module.def("_roofline", &measure_roofline, nb::arg("plan"), nb::arg("device"),
             nb::arg("profile"));
  module.def("_compare", &compare, nb::arg("tuned"), nb::arg("reference"), nb::arg("inputs"),
             nb::arg("seed"));
}

}  // namespace penstock::python
