// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <penstock/accuracy.h>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"
#include "values.h"

namespace penstock::python {
namespace {

// The type of a NumPy array; arrays of text and of objects hold strings.
DataType type_of(nb::handle array, const std::string& name) {
  const auto kind = nb::cast<std::string>(array.attr("dtype").attr("kind"));
  if (kind == "U" || kind == "S" || kind == "O") return DataType::kString;
  const auto type = nb::cast<std::string>(array.attr("dtype").attr("name"));
  if (const auto dtype = parse_data_type(type)) return *dtype;
  raise_type_error("data: array '" + name + "' holds " + type);
}

Arrays to_arrays(nb::dict arrays) {
  const nb::module_ numpy = nb::module_::import_("numpy");
  Arrays result;
  for (const auto& [key, value] : arrays) {
    if (!nb::isinstance<nb::str>(key)) raise_type_error("data: names of arrays are strings");
    TensorInfo info;
    info.name = nb::cast<std::string>(key);
    const nb::object array = numpy.attr("ascontiguousarray")(numpy.attr("asarray")(value));
    info.dtype = type_of(array, info.name);
    info.shape = to_shape(array.attr("shape"), "array '" + info.name + "'");
    result[info.name] = value_of(array, info).tensor();
  }
  return result;
}

nb::dict to_dict(const Arrays& arrays) {
  nb::dict result;
  for (const auto& [name, array] : arrays) result[name.c_str()] = to_python(Value(array));
  return result;
}

nb::dict run_over(const Engine& engine, nb::dict data, int64_t batch, int64_t samples, int threads,
                  nb::object progress) {
  CallbackError error;
  const Arrays arrays = to_arrays(data);
  EvaluationOptions options;
  options.batch = batch;
  options.most_samples = samples;
  options.threads = threads;
  options.progress = error.progress(progress);
  options.cancelled = error.cancelled();
  Result<Arrays> outputs = Status();
  {
    nb::gil_scoped_release unlocked;
    outputs = run_samples(engine, arrays, options);
  }
  error.rethrow();
  return to_dict(take(std::move(outputs)));
}

// (figure, figure of the reference or None, loss or None)
nb::tuple judge(const std::string& name, const std::string& output, const std::string& labels,
                nb::dict outputs, nb::object reference, nb::dict data) {
  const Metric metric = take(find_metric(name, {output, labels}));
  const Arrays ours = to_arrays(outputs);
  Arrays theirs;
  if (!reference.is_none()) theirs = to_arrays(nb::cast<nb::dict>(reference));
  const Accuracy accuracy =
      take(judge_outputs(ours, reference.is_none() ? nullptr : &theirs, to_arrays(data), metric));
  if (!accuracy.has_reference) return nb::make_tuple(accuracy.figure, nb::none(), nb::none());
  return nb::make_tuple(accuracy.figure, accuracy.reference, accuracy.loss);
}

}  // namespace

void bind_accuracy(nb::module_& module) {
  module.def("_run_samples", &run_over, nb::arg("engine"), nb::arg("data"), nb::arg("batch"),
             nb::arg("samples"), nb::arg("threads"), nb::arg("progress").none());
  module.def("_judge", &judge, nb::arg("metric"), nb::arg("output"), nb::arg("labels"),
             nb::arg("outputs"), nb::arg("reference").none(), nb::arg("data"));
  module.def("_metric_names", &metric_names);
}

}  // namespace penstock::python
