// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <penstock/calibration.h>

#include "arrays.h"
#include "bindings.h"
#include "errors.h"

namespace penstock::python {
namespace {

using Batch = std::map<std::string, Tensor>;

// Slices of a data set are no row-major arrays: they are copied here, as all batches are.
Tensor to_tensor(nb::handle array, const TensorInfo& input) {
  nb::object held = nb::borrow(array);
  if (nb::hasattr(array, "__array__")) {
    held = nb::module_::import_("numpy").attr("ascontiguousarray")(array);
  }
  const ArrayView view = view_of(held, "input", input);
  return Tensor::copy_of(input.dtype, view.shape, view.data);
}

const TensorInfo& input_named(const std::vector<TensorInfo>& inputs, const std::string& name) {
  for (const TensorInfo& input : inputs) {
    if (input.name == name) return input;
  }
  std::string known;
  for (const TensorInfo& input : inputs) known += (known.empty() ? "'" : ", '") + input.name + "'";
  raise("InvalidArgumentError",
        "calibration data names input '" + name + "'; the model has " + known);
}

// A batch is a dictionary by input name; a list or tuple in the order of the inputs; or one array,
// where there is one input.
Batch to_batch(nb::handle item, const std::vector<TensorInfo>& inputs) {
  Batch batch;
  if (nb::isinstance<nb::dict>(item)) {
    for (const auto& [name, array] : nb::borrow<nb::dict>(item)) {
      if (!nb::isinstance<nb::str>(name)) raise_type_error("calibration: input names are strings");
      const TensorInfo& input = input_named(inputs, nb::cast<std::string>(name));
      batch[input.name] = to_tensor(array, input);
    }
    return batch;
  }
  if (nb::isinstance<nb::tuple>(item) || nb::isinstance<nb::list>(item)) {
    if (nb::len(item) != inputs.size()) {
      raise("InvalidArgumentError", "a calibration batch has " + std::to_string(nb::len(item)) +
                                        " arrays; the model has " + std::to_string(inputs.size()) +
                                        " inputs");
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      batch[inputs[i].name] = to_tensor(item[i], inputs[i]);
    }
    return batch;
  }
  if (inputs.size() != 1) {
    raise_type_error("calibration: expected a dictionary or a tuple of " +
                     std::to_string(inputs.size()) + " arrays for each batch, got " +
                     kind_of(item));
  }
  batch[inputs[0].name] = to_tensor(item, inputs[0]);
  return batch;
}

// Batches from a Python iterator.
class PySource : public CalibrationSource {
 public:
  PySource(nb::iterator batches, int64_t count, CallbackError& error)
      : batches_(std::move(batches)), count_(count), error_(error) {}

  Status begin(const std::vector<TensorInfo>& inputs) override {
    inputs_ = inputs;
    return Status::ok();
  }

  Result<std::optional<Batch>> next() override {
    std::optional<Batch> batch;
    const bool went_well = error_.guard([&] {
      if (batches_ == nb::iterator::sentinel()) return;
      batch = to_batch(*batches_, inputs_);
      ++batches_;
    });
    if (went_well) return batch;
    return Status(StatusCode::kCancelled, "the calibration data raised an exception");
  }

  std::optional<int64_t> batch_count() const override {
    return count_ > 0 ? std::optional(count_) : std::nullopt;
  }

 private:
  nb::iterator batches_;
  int64_t count_;
  CallbackError& error_;
  std::vector<TensorInfo> inputs_;
};

CalibrationTable run_calibration(nb::object model, const std::filesystem::path& folder,
                                 nb::iterator batches, int64_t batch_count,
                                 const std::string& method, double percentile, int64_t most_batches,
                                 int threads, nb::object progress) {
  CallbackError error;
  CalibrationOptions options;
  options.method = take(parse_calibration_method(method));
  options.percentile = percentile;
  options.most_batches = most_batches;
  options.threads = threads;
  options.progress = error.progress(progress);
  options.cancelled = error.cancelled();
  PySource source(std::move(batches), batch_count, error);
  std::optional<Result<CalibrationTable>> table;
  if (nb::isinstance<nb::bytes>(model)) {
    const auto bytes = nb::borrow<nb::bytes>(model);
    const OnnxBytes onnx{{static_cast<const std::byte*>(bytes.data()), bytes.size()}, folder, ""};
    nb::gil_scoped_release unlocked;
    table = calibrate(onnx, source, options);
  } else {
    const auto path = nb::cast<std::filesystem::path>(model);
    nb::gil_scoped_release unlocked;
    table = calibrate(path, source, options);
  }
  error.rethrow();
  return take(*std::move(table));
}

nb::dict ranges_of(const CalibrationTable& table) {
  nb::dict result;
  for (const auto& [name, range] : table.ranges) {
    result[nb::str(name.data(), name.size())] =
        nb::make_tuple(range.threshold, range.min, range.max);
  }
  return result;
}

}  // namespace

void bind_calibration(nb::module_& module) {
  nb::class_<CalibrationTable>(
      module, "CalibrationTable",
      "What a calibration found: for each value that INT8 may store, where it is clipped.")
      .def_static(
          "load",
          [](const std::filesystem::path& path) { return take(CalibrationTable::load(path)); },
          nb::arg("path"), "Reads a cache of Penstock's or TensorRT's format.")
      .def_static(
          "parse", [](const std::string& text) { return take(CalibrationTable::parse(text)); },
          nb::arg("text"), "The same from the text of such a cache.")
      .def(
          "save",
          [](const CalibrationTable& self, const std::filesystem::path& path, bool tensorrt) {
            check(self.save(path, tensorrt));
          },
          nb::arg("path"), nb::arg("tensorrt") = false,
          "Writes the cache, as text; it appears only when it is complete. tensorrt: in the format "
          "of TensorRT 8 to 10.")
      .def(
          "to_text",
          [](const CalibrationTable& self, bool tensorrt) {
            return tensorrt ? self.to_tensorrt_text() : self.to_text();
          },
          nb::arg("tensorrt") = false)
      .def_ro("model", &CalibrationTable::model)
      .def_ro("method", &CalibrationTable::method)
      .def_ro("batches", &CalibrationTable::batches)
      .def_prop_ro("ranges", &ranges_of,
                   nb::sig("def ranges(self) -> dict[str, tuple[float, float, float]]"),
                   "By the value's name: the magnitude it is clipped to, the smallest and the "
                   "largest element seen.")
      .def("__len__", [](const CalibrationTable& self) { return self.ranges.size(); })
      .def("__repr__", [](const CalibrationTable& self) {
        return "<penstock.CalibrationTable of " + std::to_string(self.ranges.size()) + " values>";
      });
  module.def("_calibrate", &run_calibration, nb::arg("model"), nb::arg("folder"),
             nb::arg("batches"), nb::arg("batch_count"), nb::arg("method"), nb::arg("percentile"),
             nb::arg("most_batches"), nb::arg("threads"), nb::arg("progress").none());
}

}  // namespace penstock::python
