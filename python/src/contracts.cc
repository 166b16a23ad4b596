// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <penstock/input_monitor.h>

#include "arrays.h"
#include "bindings.h"

namespace penstock::python {
namespace {

// With the inputs' types and shapes, which arrays must have.
struct PyInputMonitor {
  explicit PyInputMonitor(const Engine& engine) : monitor(engine), inputs(engine.inputs()) {}

  InputMonitor monitor;
  std::vector<TensorInfo> inputs;
};

std::vector<std::string> check(PyInputMonitor& self, const nb::dict& inputs) {
  std::vector<std::string> warnings;
  for (const auto& [key, array] : inputs) {
    const std::string name = nb::cast<std::string>(key);
    for (const TensorInfo& info : self.inputs) {
      if (info.name != name || info.kind != ValueKind::kTensor) continue;
      const ArrayView view = view_of(array, "input", info);
      auto warning = self.monitor.check(name, info.dtype, view.shape, view.data);
      if (warning) warnings.push_back(*std::move(warning));
    }
  }
  return warnings;
}

nb::dict counts(const PyInputMonitor& self) {
  nb::dict result;
  for (const InputCount& count : self.monitor.counts()) {
    nb::dict item;
    item["tensors"] = count.tensors;
    item["tensors_outside"] = count.tensors_outside;
    item["elements_outside"] = count.elements_outside;
    result[count.input.c_str()] = item;
  }
  return result;
}

}  // namespace

nb::dict contracts_of(const Engine& engine) {
  nb::dict result;
  for (const auto& [name, contract] : engine.input_contracts()) {
    const bool is_given = contract.source == InputContract::Source::kGiven;
    nb::dict item;
    item["min"] = contract.min;
    item["max"] = contract.max;
    item["source"] = is_given ? "given" : "calibration";
    if (!contract.mean.empty()) {
      nb::list mean, deviation;
      for (const double x : contract.mean) mean.append(x);
      for (const double x : contract.deviation) deviation.append(x);
      item["mean"] = mean;
      item["std"] = deviation;
    }
    result[name.c_str()] = item;
  }
  return result;
}

void bind_contracts(nb::module_& module) {
  nb::class_<PyInputMonitor>(
      module, "InputMonitor",
      "Compares inputs with what the plan expects of them, and counts what is outside: "
      "Engine.input_contracts.")
      .def(nb::init<const Engine&>(), nb::arg("engine"))
      .def("check", &check, nb::arg("inputs"),
           nb::sig("def check(self, inputs: dict[str, typing.Any]) -> list[str]"),
           "A sentence for each input, of arrays by name, that has elements outside. A range that "
           "was given holds as it is, one that calibration saw may be passed by a quarter of its "
           "width; NaN is outside.")
      .def_prop_ro("counts", &counts, nb::sig("def counts(self) -> dict[str, dict[str, int]]"),
                   "{input: {'tensors', 'tensors_outside', 'elements_outside'}}");
}

}  // namespace penstock::python
