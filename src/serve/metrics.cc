// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/metrics.h"

#include <fmt/format.h>
#include <penstock/device.h>

#include <array>
#include <fstream>

namespace penstock::serve {
namespace {

constexpr uint64_t kNanosecondsInMicrosecond = 1000;

// A quoted value of a label.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') {
      result += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

// One model's version, as it is at one moment.
struct Sample {
  std::string labels;
  Statistics::Counts counts;
  std::shared_ptr<Model> model;
};

class Writer {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <typename T>
  void value(std::string_view labels, T value, std::string_view suffix = "") {
    text_ += fmt::format("{}{}{{{}}} {}\n", name_, suffix, labels, value);
  }
  template <size_t N>
  void histogram(std::string_view labels, const Histogram<N>& histogram,
                 const std::array<double, N - 1>& bounds) {
    uint64_t count = 0;
    for (size_t i = 0; i < N; ++i) {
      count += histogram.counts[i];
      const std::string bound = i + 1 < N ? fmt::format("{:g}", bounds[i]) : "+Inf";
      value(fmt::format("{},le=\"{}\"", labels, bound), count, "_bucket");
    }
    value(labels, histogram.sum, "_sum");
    value(labels, count, "_count");
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string_view name_;
  std::string text_;
};

std::vector<Sample> take_samples(const Repository& repository) {
  std::vector<Sample> samples;
  for (std::shared_ptr<Model>& model : repository.ready_models("")) {
    std::string labels = fmt::format("model=\"{}\",version=\"{}\"", escaped(model->config().name()),
                                     model->version());
    for (const auto& [key, value] : model->config().metric_tags()) {
      labels += fmt::format(",{}=\"{}\"", key, escaped(value));
    }
    Statistics::Counts counts = model->statistics().counts();
    samples.push_back({std::move(labels), std::move(counts), std::move(model)});
  }
  return samples;
}

template <typename Value>
void per_model(Writer& writer, const std::vector<Sample>& samples, std::string_view name,
               std::string_view type, std::string_view help, Value&& value) {
  writer.family(name, type, help);
  for (const Sample& sample : samples) writer.value(sample.labels, value(sample));
}

void write_counts(Writer& writer, const std::vector<Sample>& samples) {
  using Counts = Statistics::Counts;
  const auto counter = [&](std::string_view name, std::string_view help, uint64_t Counts::*field,
                           uint64_t divisor = 1) {
    per_model(writer, samples, name, "counter", help,
              [&](const Sample& sample) { return sample.counts.*field / divisor; });
  };
  constexpr uint64_t kUs = kNanosecondsInMicrosecond;
  counter("nv_inference_request_success",
          "Number of successful inference requests, all batch sizes", &Counts::success);
  writer.family("nv_inference_request_failure", "counter",
                "Number of failed inference requests, all batch sizes");
  constexpr std::array<std::string_view, 4> kReasons = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};
  for (const Sample& sample : samples) {
    for (size_t i = 0; i < kReasons.size(); ++i) {
      writer.value(fmt::format("{},reason=\"{}\"", sample.labels, kReasons[i]),
                   sample.counts.failures[i]);
    }
  }
  counter("nv_inference_count", "Number of inferences performed (does not include cached requests)",
          &Counts::inferences);
  counter("nv_inference_exec_count",
          "Number of model executions performed (does not include cached requests)",
          &Counts::executions);
  counter("nv_inference_request_duration_us",
          "Cumulative inference request duration in microseconds", &Counts::success_ns, kUs);
  counter("nv_inference_queue_duration_us", "Cumulative inference queuing duration in microseconds",
          &Counts::queue_ns, kUs);
  counter("nv_inference_compute_input_duration_us",
          "Cumulative compute input duration in microseconds", &Counts::input_ns, kUs);
  counter("nv_inference_compute_infer_duration_us",
          "Cumulative compute inference duration in microseconds", &Counts::compute_ns, kUs);
  counter("nv_inference_compute_output_duration_us",
          "Cumulative compute output duration in microseconds", &Counts::output_ns, kUs);
  counter("penstock_execution_retries_total", "Executions repeated on a fresh context",
          &Counts::retries);
  counter("penstock_context_rebuilds_total", "Contexts recreated after a failed execution",
          &Counts::rebuilds);
}

void write_gauges(Writer& writer, const std::vector<Sample>& samples) {
  per_model(writer, samples, "nv_inference_pending_request_count", "gauge",
            "Instantaneous number of pending requests awaiting execution per-model",
            [](const Sample& sample) { return sample.model->scheduler().pending(); });
  per_model(writer, samples, "nv_model_load_duration_secs", "gauge", "Model load time in seconds",
            [](const Sample& sample) { return sample.model->load_seconds(); });
  writer.family("penstock_model_memory_bytes", "gauge",
                "Memory of a model: its weights, and the scratch memory of idle contexts");
  for (const Sample& sample : samples) {
    writer.value(sample.labels + ",kind=\"weights\"", sample.model->engine().weight_bytes());
    writer.value(sample.labels + ",kind=\"contexts\"", sample.model->scheduler().memory_bytes());
  }
  per_model(writer, samples, "penstock_model_instances", "gauge", "Execution contexts of a model",
            [](const Sample& sample) { return sample.model->scheduler().instance_count(); });
}

void write_histograms(Writer& writer, const std::vector<Sample>& samples) {
  writer.family("penstock_request_duration_seconds", "histogram",
                "Time from a request's arrival to its answer");
  for (const Sample& s : samples) writer.histogram(s.labels, s.counts.total_seconds, kTimeBounds);
  writer.family("penstock_queue_duration_seconds", "histogram", "Time of requests in the queue");
  for (const Sample& s : samples) writer.histogram(s.labels, s.counts.queue_seconds, kTimeBounds);
  writer.family("penstock_compute_duration_seconds", "histogram",
                "Time of the execution that answered a request");
  for (const Sample& s : samples) writer.histogram(s.labels, s.counts.compute_seconds, kTimeBounds);
  writer.family("penstock_batch_size", "histogram", "Batch items of an execution");
  for (const Sample& s : samples) writer.histogram(s.labels, s.counts.batch_sizes, kBatchBounds);
}

// kB of a line of /proc/meminfo and its like, in bytes.
uint64_t memory_line(const char* file, std::string_view name) {
  std::ifstream stream(file);
  std::string key;
  uint64_t value = 0;
  for (std::string rest; stream >> key >> value; std::getline(stream, rest)) {
    if (key == name) return value * 1024;
  }
  return 0;
}

void write_host(Writer& writer) {
  const uint64_t total = memory_line("/proc/meminfo", "MemTotal:");
  const uint64_t available = memory_line("/proc/meminfo", "MemAvailable:");
  writer.family("nv_cpu_memory_total_bytes", "gauge", "CPU total memory (RAM), in bytes");
  writer.value("", total);
  writer.family("nv_cpu_memory_used_bytes", "gauge", "CPU used memory (RAM), in bytes");
  writer.value("", total - std::min(total, available));
}

void write_devices(Writer& writer) {
  std::vector<std::pair<std::string, DeviceMemory>> devices;
  for (const std::string& name : Device::list()) {
    const Result<Device> device = Device::open(name);
    if (!device.is_ok()) continue;
    const Result<DeviceMemory> memory = device->memory();
    if (!memory.is_ok()) continue;
    devices.emplace_back(fmt::format("device=\"{}\"", name), *memory);
  }
  writer.family("penstock_device_memory_held_bytes", "gauge",
                "Memory of a device that this server holds");
  for (const auto& [labels, memory] : devices) writer.value(labels, memory.held);
  writer.family("penstock_device_memory_free_bytes", "gauge", "Free memory of a device");
  for (const auto& [labels, memory] : devices) writer.value(labels, memory.free);
}

}  // namespace

std::string write_metrics(const Repository& repository) {
  const std::vector<Sample> samples = take_samples(repository);
  Writer writer;
  write_counts(writer, samples);
  write_gauges(writer, samples);
  write_histograms(writer, samples);
  write_host(writer);
  write_devices(writer);
  return std::move(writer).text();
}

}  // namespace penstock::serve
