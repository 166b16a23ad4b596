// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <penstock/builder.h>
#include <penstock/calibration.h>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"

namespace penstock::python {
namespace {

// What a shape input may hold; None in max stands for no limit.
ValueRange make_values(nb::handle object, const std::string& what) {
  if (!nb::isinstance<nb::tuple>(object) || nb::len(object) != 3) {
    raise_type_error(what + ": expected a tuple (min, opt, max)");
  }
  const nb::tuple three = nb::borrow<nb::tuple>(object);
  ValueRange range{to_shape(three[0], what), to_shape(three[1], what), {}};
  if (!three[2].is_none()) range.max = to_shape(three[2], what);
  return range;
}

// Pairs of a pattern and a type's name, which Python has checked.
// Name, min, max, mean, deviation.
using ContractItem =
    std::tuple<std::string, double, double, std::vector<double>, std::vector<double>>;

std::map<std::string, InputContract> make_contracts(const std::vector<ContractItem>& items) {
  std::map<std::string, InputContract> contracts;
  for (const auto& [name, min, max, mean, deviation] : items) {
    contracts[name] = {min, max, InputContract::Source::kGiven, mean, deviation};
  }
  return contracts;
}

std::vector<LayerPrecision> make_layer_precisions(
    const std::vector<std::pair<std::string, std::string>>& rules) {
  std::vector<LayerPrecision> result;
  for (const auto& [layers, precision] : rules) {
    result.push_back({layers, parse_data_type(precision).value_or(DataType::kFloat32)});
  }
  return result;
}

// A Profile's dictionaries as ranges.
OptimizationProfile make_profile(nb::dict min, nb::dict opt, nb::dict max, nb::dict values) {
  OptimizationProfile profile;
  for (const auto& [name, three] : values) {
    if (!nb::isinstance<nb::str>(name)) raise_type_error("profile: input names are strings");
    const auto input = nb::cast<std::string>(name);
    profile.values[input] = make_values(three, "profile: values of input '" + input + "'");
  }
  const auto add = [&](const char* which, nb::dict shapes, Shape ShapeRange::*place) {
    for (const auto& [name, shape] : shapes) {
      if (!nb::isinstance<nb::str>(name)) raise_type_error("profile: input names are strings");
      const auto input = nb::cast<std::string>(name);
      profile.inputs[input].*place =
          to_shape(shape, "profile: " + std::string(which) + " of input '" + input + "'");
    }
  };
  add("min", min, &ShapeRange::min);
  add("opt", opt, &ShapeRange::opt);
  add("max", max, &ShapeRange::max);
  return profile;
}

// Each is a tuple of a Profile's four dictionaries.
std::vector<OptimizationProfile> make_profiles(nb::list list) {
  std::vector<OptimizationProfile> profiles;
  for (nb::handle item : list) {
    const auto four = nb::cast<nb::tuple>(item);
    const auto part = [&](size_t i) { return nb::cast<nb::dict>(four[i]); };
    profiles.push_back(make_profile(part(0), part(1), part(2), part(3)));
  }
  return profiles;
}

struct Settings {
  std::vector<OptimizationProfile> profiles;
  std::string device;
  std::string precision;
  bool tf32;
  bool int8;
  std::shared_ptr<const CalibrationTable> calibration;
  std::vector<LayerPrecision> layer_precisions;
  std::map<std::string, InputContract> input_contracts;
  int threads;
  int concurrent_contexts;
  int optimization_level;
  std::filesystem::path timing_cache;
  uint64_t workspace_bytes;
  uint64_t memory_limit_bytes;
  std::vector<std::string> tactic_sources;
  nb::object progress;
  nb::object log;
};

BuildOptions make_options(const Settings& settings, CallbackError& error) {
  BuildOptions options;
  options.profiles = settings.profiles;
  options.device = settings.device;
  options.precision = parse_data_type(settings.precision).value_or(DataType::kFloat32);
  options.tf32 = settings.tf32;
  options.int8 = settings.int8;
  options.calibration = settings.calibration;
  options.layer_precisions = settings.layer_precisions;
  options.input_contracts = settings.input_contracts;
  options.threads = settings.threads;
  options.concurrent_contexts = settings.concurrent_contexts;
  options.optimization_level = settings.optimization_level;
  options.timing_cache = settings.timing_cache;
  options.workspace_bytes = settings.workspace_bytes;
  options.memory_limit_bytes = settings.memory_limit_bytes;
  options.tactic_sources = settings.tactic_sources;
  options.progress = error.progress(settings.progress);
  if (!settings.log.is_none()) {
    options.log = [&](const std::string& line) {
      error.guard([&] { settings.log(nb::str(line.data(), line.size())); });
    };
  }
  options.cancelled = error.cancelled();
  return options;
}

// `model` is bytes, or a path as a string.
PyPlan build(nb::object model, const std::filesystem::path& folder, const std::string& name,
             const Settings& settings) {
  CallbackError error;
  const BuildOptions options = make_options(settings, error);
  std::optional<Result<BuiltPlan>> built;
  if (nb::isinstance<nb::bytes>(model)) {
    const auto bytes = nb::borrow<nb::bytes>(model);
    const OnnxBytes onnx{{static_cast<const std::byte*>(bytes.data()), bytes.size()}, folder, name};
    nb::gil_scoped_release unlocked;
    built = build_plan_in_memory(onnx, options);
  } else {
    const auto path = nb::cast<std::filesystem::path>(model);
    nb::gil_scoped_release unlocked;
    built = build_plan_in_memory(path, options);
  }
  error.rethrow();
  BuiltPlan plan = take(*std::move(built));
  return PyPlan{std::move(plan.plan), nb::cast(plan.summary)};
}

nb::bytes plan_bytes(const PyPlan& self) {
  return nb::bytes(reinterpret_cast<const char*>(self.plan.data()), self.plan.size());
}

std::span<const std::byte> span_of(nb::bytes bytes) {
  return {static_cast<const std::byte*>(bytes.data()), bytes.size()};
}

int plan_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Plan& plan = nb::inst_ptr<PyPlan>(nb::handle(self))->plan;
  return PyBuffer_FillInfo(view, self, const_cast<std::byte*>(plan.data()),
                           static_cast<Py_ssize_t>(plan.size()), /*readonly=*/1, flags);
}

PyType_Slot plan_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(plan_buffer)}, {0, nullptr}};

void bind_plan(nb::module_& module) {
  nb::class_<PyPlan>(module, "Plan", nb::type_slots(plan_slots),
                     "A plan in memory: what a plan file holds. memoryview() sees its bytes.")
      .def(
          "__init__",
          [](PyPlan* self, nb::bytes plan) {
            new (self) PyPlan{take(Plan::copy(span_of(plan))), nb::none()};
          },
          nb::arg("plan"), "From the bytes of a plan.")
      .def(
          "save",
          [](const PyPlan& self, const std::filesystem::path& path) {
            Status status;
            {
              nb::gil_scoped_release unlocked;
              status = self.plan.save(path);
            }
            check(status);
          },
          nb::arg("path"), "Writes the plan file; it appears only when it is complete.")
      .def_prop_ro(
          "summary", [](const PyPlan& self) { return self.summary; },
          nb::sig("def summary(self) -> BuildSummary | None"),
          "What came of the build; None for a plan that was not built here.")
      .def("__len__", [](const PyPlan& self) { return self.plan.size(); })
      .def("__bytes__", &plan_bytes)
      .def("__getstate__", &plan_bytes)
      .def("__setstate__",
           [](PyPlan& self, nb::bytes plan) {
             new (&self) PyPlan{take(Plan::copy(span_of(plan))), nb::none()};
           })
      .def("__repr__", [](const PyPlan& self) {
        return "<penstock.Plan of " + std::to_string(self.plan.size()) + " bytes>";
      });
}

}  // namespace

void bind_build(nb::module_& module) {
  nb::class_<BuildSummary>(module, "BuildSummary", "What came of a build.")
      .def_ro("device", &BuildSummary::device, "That it was built for: 'cpu', 'cuda:0'.")
      .def_ro("warnings", &BuildSummary::warnings,
              "What users would not expect, a sentence each; penstock.build logs them too.")
      .def_ro("onnx_nodes", &BuildSummary::onnx_nodes, "Nodes of the model, constants not counted.")
      .def_ro("kernels", &BuildSummary::kernels, "Kernel calls under the first profile.")
      .def_ro("profiles", &BuildSummary::profiles)
      .def_ro("plan_bytes", &BuildSummary::plan_bytes)
      .def_ro("weight_bytes", &BuildSummary::weight_bytes)
      .def_ro("tactics_measured", &BuildSummary::tactics_measured)
      .def_ro("tactics_cached", &BuildSummary::tactics_cached)
      .def_ro("seconds", &BuildSummary::seconds)
      .def("__repr__", [](const BuildSummary& self) {
        return "<penstock.BuildSummary: " + std::to_string(self.onnx_nodes) + " ONNX nodes, " +
               std::to_string(self.kernels) + " kernels, " + std::to_string(self.plan_bytes) +
               " bytes>";
      });
  bind_plan(module);
  module.def(
      "_build",
      [](nb::object model, const std::filesystem::path& folder, const std::string& name,
         nb::list profiles, const std::string& device, const std::string& precision, bool tf32,
         bool int8, nb::object calibration,
         const std::vector<std::pair<std::string, std::string>>& layer_precisions,
         const std::vector<ContractItem>& input_contracts, int threads, int concurrent_contexts,
         int optimization_level, const std::filesystem::path& timing_cache, uint64_t workspace,
         uint64_t memory_limit, const std::vector<std::string>& tactic_sources, nb::object progress,
         nb::object log) {
        return build(
            std::move(model), folder, name,
            Settings{make_profiles(profiles), device, precision, tf32, int8,
                     calibration.is_none() ? nullptr
                                           : std::make_shared<const CalibrationTable>(
                                                 nb::cast<CalibrationTable>(calibration)),
                     make_layer_precisions(layer_precisions), make_contracts(input_contracts),
                     threads, concurrent_contexts, optimization_level, timing_cache, workspace,
                     memory_limit, tactic_sources, progress, log});
      },
      nb::arg("model"), nb::arg("folder"), nb::arg("name"), nb::arg("profiles"), nb::arg("device"),
      nb::arg("precision"), nb::arg("tf32"), nb::arg("int8"), nb::arg("calibration").none(),
      nb::arg("layer_precisions"), nb::arg("input_contracts"), nb::arg("threads"),
      nb::arg("concurrent_contexts"), nb::arg("optimization_level"), nb::arg("timing_cache"),
      nb::arg("workspace"), nb::arg("memory_limit"), nb::arg("tactic_sources"),
      nb::arg("progress").none(), nb::arg("log").none());
}

}  // namespace penstock::python
