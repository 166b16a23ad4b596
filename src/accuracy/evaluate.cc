// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/context.h>

#include <cmath>
#include <cstring>

#include "accuracy/samples.h"
#include "base/memory_guard.h"

namespace penstock {
namespace {

// Extents of the first axis that the engine takes.
struct BatchRange {
  int64_t least = 1;
  int64_t tuned = 1;
  int64_t most = std::numeric_limits<int64_t>::max();
};

BatchRange batch_range(const Engine& engine) {
  BatchRange range;
  for (const TensorInfo& input : engine.inputs()) {
    if (input.shape.empty()) continue;
    if (input.shape[0] > 0) {
      range.least = range.tuned = range.most = input.shape[0];
      return range;
    }
    const auto it = engine.profile().inputs.find(input.name);
    if (it == engine.profile().inputs.end()) continue;
    const ShapeRange& shapes = it->second;
    if (!shapes.min.empty()) range.least = std::max(range.least, shapes.min[0]);
    if (!shapes.opt.empty()) range.tuned = shapes.opt[0];
    if (!shapes.max.empty() && shapes.max[0] > 0) range.most = std::min(range.most, shapes.max[0]);
  }
  return range;
}

// Outputs of batches, one behind the other.
class Collector {
 public:
  explicit Collector(int64_t samples) : samples_(samples) {}

  // Takes in the first `count` samples of a batch of `batch`.
  Status add(const Arrays& outputs, int64_t batch, int64_t count) {
    for (const auto& [name, tensor] : outputs) {
      if (!is_plain(tensor.dtype())) continue;
      Shape shape = tensor.shape();
      if (shape.empty() || shape[0] != batch) {
        return {StatusCode::kUnsupported,
                fmt::format("output '{}' of a batch of {} has shape {}: its first axis is not that "
                            "of the samples",
                            name, batch, to_string(shape))};
      }
      shape[0] = samples_;
      Tensor& all = all_[name];
      if (done_ == 0) all = Tensor(tensor.dtype(), shape);
      if (all.shape() != shape) {
        return {StatusCode::kUnsupported,
                fmt::format("output '{}' has shape {} where it had {} before: samples of different "
                            "shapes cannot be judged together",
                            name, to_string(tensor.shape()), to_string(all.shape()))};
      }
      const size_t row = tensor.bytes() / static_cast<size_t>(batch);
      std::memcpy(static_cast<std::byte*>(all.data()) + row * static_cast<size_t>(done_),
                  tensor.data(), row * static_cast<size_t>(count));
    }
    done_ += count;
    return Status::ok();
  }
  Arrays take() { return std::move(all_); }

 private:
  int64_t samples_;
  int64_t done_ = 0;
  Arrays all_;
};

// Samples from `begin`; where there are fewer than `least`, the last one again.
Tensor batch_of(const Tensor& array, int64_t begin, int64_t count, int64_t least) {
  if (count >= least) return accuracy::rows(array, begin, count);
  Shape shape = array.shape();
  const size_t row = array.bytes() / static_cast<size_t>(shape[0]);
  shape[0] = least;
  Tensor result(array.dtype(), shape);
  const auto* from = static_cast<const std::byte*>(array.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (int64_t i = 0; i < least; ++i) {
    std::memcpy(to + row * static_cast<size_t>(i),
                from + row * static_cast<size_t>(begin + std::min(i, count - 1)), row);
  }
  return result;
}

Result<Arrays> run_all(const Engine& engine, const Arrays& data, const EvaluationOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(int64_t samples, accuracy::sample_count(data, engine.inputs()));
  if (options.most_samples > 0) samples = std::min(samples, options.most_samples);
  Arrays inputs;
  for (const TensorInfo& input : engine.inputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(inputs[input.name],
                              accuracy::converted(data.at(input.name), input.dtype, input.name));
  }
  const BatchRange range = batch_range(engine);
  const int64_t asked = options.batch > 0 ? options.batch : std::max<int64_t>(1, range.tuned);
  const int64_t batch = std::clamp(asked, range.least, std::max(range.least, range.most));
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context({options.threads}));
  Collector collector(samples);
  for (int64_t begin = 0; begin < samples; begin += batch) {
    if (options.cancelled && options.cancelled()) {
      return Status(StatusCode::kCancelled,
                    fmt::format("the evaluation was cancelled after {} samples", begin));
    }
    const int64_t count = std::min(batch, samples - begin);
    Arrays part;
    for (const auto& [name, array] : inputs) {
      part[name] = batch_of(array, begin, count, range.least);
    }
    const Result<Arrays> outputs = context.run(part);
    const std::string where = fmt::format("samples {} to {}", begin, begin + count - 1);
    PENSTOCK_RETURN_IF_ERROR(outputs.status().with_context(where));
    PENSTOCK_RETURN_IF_ERROR(collector.add(*outputs, std::max(count, range.least), count));
    if (options.progress) {
      options.progress(fmt::format("sample {}", begin + count),
                       static_cast<double>(begin + count) / static_cast<double>(samples));
    }
  }
  return collector.take();
}

int64_t samples_of(const Arrays& outputs) {
  for (const auto& [name, array] : outputs) {
    if (!array.shape().empty()) return array.shape()[0];
  }
  return 0;
}

Result<double> figure_of(const Metric& metric, const Arrays& outputs, const Arrays& data,
                         const Arrays& reference) {
  const Result<double> figure = metric.figure(outputs, data, reference);
  PENSTOCK_RETURN_IF_ERROR(figure.status().with_context("metric '" + metric.name + "'"));
  if (std::isfinite(*figure)) return *figure;
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format("metric '{}' gave {}, which is no figure to compare", metric.name, *figure));
}

}  // namespace

Result<Arrays> run_samples(const Engine& engine, const Arrays& data,
                           const EvaluationOptions& options) {
  return guard_memory("the evaluation", [&] { return run_all(engine, data, options); });
}

Result<Accuracy> judge_outputs(const Arrays& outputs, const Arrays* reference, const Arrays& data,
                               const Metric& metric) {
  if (metric.needs_reference && reference == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "metric '" + metric.name +
                      "' compares with the outputs of a reference, and there is none: give a plan "
                      "or a model to compare with");
  }
  Accuracy result;
  result.metric = metric.name;
  result.samples = samples_of(outputs);
  const Arrays none;
  PENSTOCK_ASSIGN_OR_RETURN(
      result.figure, figure_of(metric, outputs, data, reference != nullptr ? *reference : none));
  if (reference == nullptr) return result;
  result.has_reference = true;
  PENSTOCK_ASSIGN_OR_RETURN(result.reference, figure_of(metric, *reference, data, *reference));
  result.loss = result.reference - result.figure;
  if (!metric.higher_is_better) result.loss = -result.loss;
  return result;
}

Result<Accuracy> evaluate_accuracy(const Engine& engine, const Engine* reference,
                                   const Arrays& data, const Metric& metric,
                                   const EvaluationOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t samples, accuracy::sample_count(data, engine.inputs()));
  const bool is_part = options.most_samples > 0 && options.most_samples < samples;
  const Arrays judged =
      is_part ? accuracy::first_samples(data, samples, options.most_samples) : data;
  EvaluationOptions first = options;
  EvaluationOptions second = options;
  if (options.progress && reference != nullptr) {
    first.progress = [&](std::string_view what, double part) { options.progress(what, part / 2); };
    second.progress = [&](std::string_view what, double part) {
      options.progress("reference, " + std::string(what), 0.5 + part / 2);
    };
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Arrays outputs, run_samples(engine, judged, first));
  if (reference == nullptr) return judge_outputs(outputs, nullptr, judged, metric);
  PENSTOCK_ASSIGN_OR_RETURN(const Arrays expected, run_samples(*reference, judged, second));
  return judge_outputs(outputs, &expected, judged, metric);
}

}  // namespace penstock
