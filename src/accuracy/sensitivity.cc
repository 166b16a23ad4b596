// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>
#include <penstock/precision_search.h>

#include <cmath>
#include <set>

#include "accuracy/model.h"
#include "accuracy/noise.h"
#include "accuracy/samples.h"
#include "accuracy/sensitivity.h"
#include "base/memory_guard.h"
#include "diagnostics/layout_reader.h"

namespace penstock {
namespace accuracy {

double Noise::ratio() const {
  if (noise <= 0) return kExact;
  if (signal <= 0 || !std::isfinite(noise)) return 0;
  return std::min(kExact, 10 * std::log10(signal / noise));
}

double output_ratio(const Arrays& expected, const Arrays& actual) {
  double share = 0;
  for (const auto& [name, array] : expected) {
    if (!is_floating(array.dtype())) continue;
    const Result<std::vector<double>> a = numbers(array, name);
    const Result<std::vector<double>> b = numbers(actual.at(name), name);
    if (!a.is_ok() || !b.is_ok() || a->size() != b->size()) continue;
    Noise noise;
    for (size_t i = 0; i < a->size(); ++i) {
      if (std::isfinite((*a)[i])) noise.add((*a)[i], (*b)[i]);
    }
    if (noise.signal > 0) share += noise.noise / noise.signal;
  }
  return Noise{1, share}.ratio();
}

}  // namespace accuracy

namespace {

using accuracy::Layer;
using accuracy::Model;
using accuracy::Noise;

constexpr int64_t kObservedBatch = 8;  // all results of a batch are in memory
constexpr size_t kBins = 64;

// Sees the values of a run by their names in the model.
using Observe = std::function<void(const std::string& value, const std::vector<double>& elements)>;

Status run_observed(const Engine& engine, const Arrays& batch, const std::set<std::string>& values,
                    const Observe& observe) {
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
  std::set<std::string> seen;
  context.set_step_observer([&](std::string_view value, DataType dtype, const Shape& shape,
                                std::string_view layout, const void* data) {
    const std::string name(value);
    // A reorder writes the same value once more.
    if (values.count(name) == 0 || !seen.insert(name).second) return;
    observe(name, diagnostics::read_row_major(dtype, shape, layout, data));
  });
  for (const auto& [name, array] : batch) {
    if (values.count(name) == 0 || array.dtype() != DataType::kFloat32) continue;
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> elements, accuracy::numbers(array, name));
    observe(name, elements);
    seen.insert(name);
  }
  return context.run(batch).status();
}

class Ranking {
 public:
  Ranking(const Model& model, const Arrays& data, const SensitivityOptions& options)
      : model_(model), data_(data), options_(options) {}

  Result<SensitivityReport> run() {
    PENSTOCK_RETURN_IF_ERROR(prepare());
    PENSTOCK_RETURN_IF_ERROR(observe());
    PENSTOCK_RETURN_IF_ERROR(lift_layers());
    sort();
    return std::move(report_);
  }

 private:
  void tell(const std::string& what, double fraction) const {
    if (options_.progress) options_.progress(what, fraction);
  }

  Result<Engine> build(BuildOptions options) const {
    options.progress = nullptr;
    PENSTOCK_ASSIGN_OR_RETURN(const BuiltPlan built, model_.build(options));
    return Engine::deserialize(built.plan, {"cpu"});
  }

  // In 8 bits, simulated: as fast as float32 on every processor, and exact.
  BuildOptions simulated() const {
    BuildOptions build = options_.build;
    build.device = "cpu";
    build.precision = DataType::kFloat32;
    build.simulate_int8 = true;
    build.tf32 = false;
    return build;
  }
  BuildOptions in_floats() const {
    BuildOptions build = simulated();
    build.int8 = build.simulate_int8 = false;
    build.calibration = nullptr;
    build.layer_precisions.clear();
    return build;
  }

  Status prepare() {
    tell("prepare", 0);
    if (!options_.build.int8 || options_.build.calibration == nullptr) {
      return {StatusCode::kInvalidArgument,
              "layers are ranked by what INT8 does to them: ask for INT8, with calibration data"};
    }
    if (options_.samples < 1 || options_.most_lifted < 0) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{} samples and {} lifted layers; give 1 or more, and 0 or more",
                          options_.samples, options_.most_lifted)};
    }
    PENSTOCK_ASSIGN_OR_RETURN(layers_, accuracy::free_layers(model_, options_.build));
    for (const Layer& layer : layers_) {
      report_.layers.push_back({layer.name, layer.op, layer.input});
      outputs_.insert(layer.output);
    }
    return Status::ok();
  }

  // Runs float32 and 8 bits side by side, a batch at a time.
  Status observe() {
    BuildOptions plain = in_floats();
    BuildOptions quantized = simulated();
    plain.fuse = quantized.fuse = false;
    PENSTOCK_ASSIGN_OR_RETURN(const Engine floats, build(plain));
    PENSTOCK_ASSIGN_OR_RETURN(const Engine bits, build(quantized));
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t all, accuracy::sample_count(data_, floats.inputs()));
    report_.samples = std::min(all, options_.samples);
    for (const TensorInfo& input : floats.inputs()) {
      PENSTOCK_ASSIGN_OR_RETURN(
          inputs_[input.name],
          accuracy::converted(accuracy::rows(data_.at(input.name), 0, report_.samples), input.dtype,
                              input.name));
      if (!input.shape.empty() && input.shape[0] > 0) batch_ = input.shape[0];
    }
    std::set<std::string> watched = outputs_;
    if (options_.histograms) {
      for (const Layer& layer : layers_) watched.insert(layer.input);
    }
    std::map<std::string, Noise> noises;
    for (int64_t begin = 0; begin + least() <= report_.samples; begin += batch_) {
      tell("signal and noise",
           0.02 + 0.18 * static_cast<double>(begin) / static_cast<double>(report_.samples));
      const int64_t count = std::min(batch_, report_.samples - begin);
      Arrays batch;
      for (const auto& [name, array] : inputs_) batch[name] = accuracy::rows(array, begin, count);
      std::map<std::string, std::vector<double>> expected;
      PENSTOCK_RETURN_IF_ERROR(
          run_observed(floats, batch, watched, [&](const auto& name, const auto& elements) {
            add_to_histogram(name, elements);
            if (outputs_.count(name) != 0) expected[name] = elements;
          }));
      PENSTOCK_RETURN_IF_ERROR(
          run_observed(bits, batch, outputs_, [&](const auto& name, const auto& elements) {
            const auto it = expected.find(name);
            if (it == expected.end() || it->second.size() != elements.size()) return;
            Noise& noise = noises[name];
            for (size_t i = 0; i < elements.size(); ++i) noise.add(it->second[i], elements[i]);
          }));
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      report_.layers[i].output_snr = noises[layers_[i].output].ratio();
    }
    finish_histograms();
    return Status::ok();
  }

  // Samples that a batch needs: all of it where the model fixes its extent.
  int64_t least() const { return batch_ == kObservedBatch ? 1 : batch_; }

  void add_to_histogram(const std::string& value, const std::vector<double>& elements) {
    if (!options_.histograms) return;
    const auto& ranges = options_.build.calibration->ranges;
    const auto range = ranges.find(value);
    if (range == ranges.end()) return;
    ValueHistogram& histogram = histograms_[value];
    if (histogram.counts.empty()) {
      histogram.value = value;
      histogram.counts.assign(kBins, 0);
      histogram.threshold = range->second.threshold;
      histogram.low = std::min<double>(range->second.min, 0);
      histogram.high = std::max<double>(range->second.max, histogram.low + 1e-30);
      order_.push_back(value);
    }
    const double scale = kBins / (histogram.high - histogram.low);
    for (const double element : elements) {
      const double at = std::clamp((element - histogram.low) * scale, 0.0, kBins - 1.0);
      ++histogram.counts[static_cast<size_t>(at)];
      if (std::fabs(element) > histogram.threshold) histogram.clipped += 1;
    }
  }

  void finish_histograms() {
    for (const std::string& value : order_) {
      ValueHistogram& histogram = histograms_[value];
      double count = 0;
      for (const int64_t bin : histogram.counts) count += static_cast<double>(bin);
      if (count > 0) histogram.clipped /= count;
      report_.histograms.push_back(std::move(histogram));
    }
  }

  Result<Arrays> outputs_of(const BuildOptions& build_options) const {
    PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, build(build_options));
    EvaluationOptions evaluation;
    evaluation.batch = kObservedBatch;
    evaluation.cancelled = options_.build.cancelled;
    return run_samples(engine, inputs_, evaluation);
  }

  // The end-to-end effect of each layer, those first whose results are noisiest.
  Status lift_layers() {
    tell("float32", 0.2);
    PENSTOCK_ASSIGN_OR_RETURN(const Arrays expected, outputs_of(in_floats()));
    PENSTOCK_ASSIGN_OR_RETURN(const Arrays all, outputs_of(simulated()));
    report_.snr = accuracy::output_ratio(expected, all);
    std::vector<LayerSensitivity*> order;
    for (LayerSensitivity& layer : report_.layers) order.push_back(&layer);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return a->output_snr < b->output_snr; });
    order.resize(std::min(order.size(), static_cast<size_t>(options_.most_lifted)));
    for (size_t i = 0; i < order.size(); ++i) {
      tell(fmt::format("lift layer {} of {}", i + 1, order.size()),
           0.25 + 0.75 * static_cast<double>(i) / static_cast<double>(order.size()));
      BuildOptions lifted = simulated();
      lifted.layer_precisions.push_back(accuracy::keep_in_float(order[i]->layer));
      PENSTOCK_ASSIGN_OR_RETURN(const Arrays outputs, outputs_of(lifted));
      order[i]->lifted_snr = accuracy::output_ratio(expected, outputs);
      order[i]->is_lifted = true;
    }
    tell("ranked", 1);
    return Status::ok();
  }

  void sort() {
    std::stable_sort(report_.layers.begin(), report_.layers.end(),
                     [](const LayerSensitivity& a, const LayerSensitivity& b) {
                       if (a.is_lifted != b.is_lifted) return a.is_lifted;
                       if (a.is_lifted && a.lifted_snr != b.lifted_snr) {
                         return a.lifted_snr > b.lifted_snr;
                       }
                       return a.output_snr < b.output_snr;
                     });
  }

  const Model& model_;
  const Arrays& data_;
  const SensitivityOptions& options_;
  std::vector<Layer> layers_;
  std::set<std::string> outputs_;  // of layers
  Arrays inputs_;                  // the samples that are run
  int64_t batch_ = kObservedBatch;
  std::map<std::string, ValueHistogram> histograms_;
  std::vector<std::string> order_;
  SensitivityReport report_;
};

}  // namespace

Result<SensitivityReport> accuracy::rank_layers(const Model& model, const Arrays& data,
                                                const SensitivityOptions& options) {
  return Ranking(model, data, options).run();
}

Result<SensitivityReport> rank_layers(const std::filesystem::path& onnx_path, const Arrays& data,
                                      const SensitivityOptions& options) {
  const Model model = compiler::model_of(onnx_path);
  return guard_memory("the ranking", [&] { return Ranking(model, data, options).run(); });
}

Result<SensitivityReport> rank_layers(const OnnxBytes& onnx, const Arrays& data,
                                      const SensitivityOptions& options) {
  const Model model = compiler::model_of(onnx);
  return guard_memory("the ranking", [&] { return Ranking(model, data, options).run(); });
}

}  // namespace penstock
