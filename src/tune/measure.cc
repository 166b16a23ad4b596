// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <type_traits>

#include "base/half.h"
#include "ops/device_run.h"
#include "ops/host_run.h"

namespace penstock::tune {
namespace {

using backends::NodeFacts;
using backends::Operand;
using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// Elements of a type from -1 to 1, or -127 to 127, as many as a prime number: repeated, they fall
// differently on the rows of any tensor.
template <typename T>
std::span<const std::byte> random_pattern() {
  constexpr size_t kCount = 65521;
  static const std::vector<T> the = [] {
    constexpr float kLargest = std::is_integral_v<T> ? 127 : 1;
    std::minstd_rand generator(1);
    std::vector<T> values;
    for (size_t i = 0; i < kCount; ++i) {
      values.push_back(static_cast<T>(
          kLargest *
          (static_cast<float>(generator()) / static_cast<float>(std::minstd_rand::max()) * 2 - 1)));
    }
    return values;
  }();
  return std::as_bytes(std::span(the));
}

// Constants packed as the tactic wants them, in the facts' operands.
Status pack_constants(const backends::Tactic& tactic, NodeFacts& facts,
                      std::vector<ir::ConstantRef>& keep) {
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<backends::PackedConstant> packed, tactic.pack(facts));
  for (backends::PackedConstant& constant : packed) {
    Operand& operand = facts.inputs[constant.input];
    operand.data = constant.data->data;
    operand.bytes = constant.data->bytes;
    operand.format = constant.format;
    keep.push_back(std::move(constant.data));
  }
  return Status::ok();
}

// How often the system took a core from a thread of this process.
int64_t preemptions() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

// The times of a kernel's runs. Other work on the machine only ever adds to them, and much where a
// team waits for a thread that lost its core: such runs are not counted, and more are made.
class Times {
 public:
  explicit Times(const MeasureOptions& options) : options_(options) {}

  bool is_enough() const {
    constexpr int kLeastRuns = 3;
    constexpr double kPatience = 5;  // times as long where the machine is busy
    if (runs_ < kLeastRuns) return false;
    if (undisturbed_ >= options_.most_runs) return true;
    const double spent = microseconds_since(begin_) / 1000;
    return spent >= (undisturbed_ >= kLeastRuns ? 1 : kPatience) * options_.target_ms;
  }
  void add(double microseconds, bool disturbed) {
    ++runs_;
    if (!disturbed) ++undisturbed_;
    least_ = std::min(least_, microseconds);
  }
  double least() const { return least_; }

 private:
  const MeasureOptions& options_;
  Clock::time_point begin_ = Clock::now();
  int runs_ = 0;
  int undisturbed_ = 0;
  double least_ = std::numeric_limits<double>::max();
};

// How many runs in a row are timed as one: the clock costs some 30 ns, and on a GPU some 2 us.
int batch_size(double microseconds, double wanted) {
  return std::clamp(static_cast<int>(wanted / std::max(0.05, microseconds)), 1, 100);
}

// Times a kernel through `run`, a HostRun or a DeviceRun.
template <typename Run>
Result<double> time_runs(Run& run, const backends::Kernel& kernel, backends::Stream& stream,
                         const MeasureOptions& options) {
  const auto execute = [&] { return run.execute(kernel); };
  PENSTOCK_RETURN_IF_ERROR(execute());
  PENSTOCK_ASSIGN_OR_RETURN(const double estimate, stream.time(execute, 1));
  const int batch = batch_size(estimate, stream.is_asynchronous() ? 200 : 20);
  Times times(options);
  while (!times.is_enough()) {
    const int64_t before = preemptions();
    PENSTOCK_ASSIGN_OR_RETURN(const double microseconds, stream.time(execute, batch));
    // What the host loses its core to does not disturb a device.
    times.add(microseconds, !stream.is_asynchronous() && preemptions() != before);
  }
  return times.least();
}

// Copies of a kernel, one on each stream, that run at the same time.
class Together {
 public:
  using Execute = std::function<Status(size_t copy)>;

  Together(backends::Backend& backend, const Streams& streams, Execute execute, int batch)
      : backend_(backend), streams_(streams), execute_(std::move(execute)), batch_(batch) {}

  // Microseconds of a run, of all together.
  Result<double> time() {
    PENSTOCK_ASSIGN_OR_RETURN(const double microseconds,
                              streams_[0]->is_asynchronous() ? time_on_device() : time_on_host());
    return microseconds / static_cast<double>(streams_.size()) / batch_;
  }

 private:
  Status repeat(size_t copy) {
    for (int i = 0; i < batch_; ++i) PENSTOCK_RETURN_IF_ERROR(execute_(copy));
    return Status::ok();
  }

  // As graphs: launched one by one, short kernels would be timed by how fast the host submits them.
  Status record() {
    for (size_t i = 0; i < streams_.size(); ++i) {
      PENSTOCK_RETURN_IF_ERROR(streams_[i]->begin_recording());
      const Status recorded = repeat(i);
      Result<std::unique_ptr<backends::Recording>> graph = streams_[i]->end_recording();
      PENSTOCK_RETURN_IF_ERROR(recorded);
      PENSTOCK_RETURN_IF_ERROR(graph.status());
      graphs_.push_back(*std::move(graph));
    }
    return Status::ok();
  }

  Result<double> time_on_device() {
    if (graphs_.empty()) PENSTOCK_RETURN_IF_ERROR(record());
    backends::Stream& first = *streams_[0];
    const std::shared_ptr<backends::Event> begin = backend_.create_event();
    const std::shared_ptr<backends::Event> end = backend_.create_event();
    PENSTOCK_RETURN_IF_ERROR(begin->record(first));
    for (size_t i = 0; i < streams_.size(); ++i) {
      if (i > 0) PENSTOCK_RETURN_IF_ERROR(streams_[i]->wait_for(begin));
      PENSTOCK_RETURN_IF_ERROR(graphs_[i]->replay(*streams_[i]));
    }
    for (size_t i = 1; i < streams_.size(); ++i) {
      const std::shared_ptr<backends::Event> done = backend_.create_event();
      PENSTOCK_RETURN_IF_ERROR(done->record(*streams_[i]));
      PENSTOCK_RETURN_IF_ERROR(first.wait_for(done));
    }
    PENSTOCK_RETURN_IF_ERROR(end->record(first));
    PENSTOCK_RETURN_IF_ERROR(end->wait());
    PENSTOCK_ASSIGN_OR_RETURN(const double milliseconds, end->elapsed_ms(*begin));
    return milliseconds * 1000;
  }

  Result<double> time_on_host() {
    std::vector<Status> statuses(streams_.size());
    const Clock::time_point begin = Clock::now();
    for (size_t i = 0; i < streams_.size(); ++i) {
      streams_[i]->enqueue([this, i, &statuses] { statuses[i] = repeat(i); });
    }
    for (const auto& stream : streams_) PENSTOCK_RETURN_IF_ERROR(stream->synchronize());
    const double microseconds = microseconds_since(begin);
    for (const Status& status : statuses) PENSTOCK_RETURN_IF_ERROR(status);
    return microseconds;
  }

  backends::Backend& backend_;
  const Streams& streams_;
  Execute execute_;
  int batch_;
  std::vector<std::unique_ptr<backends::Recording>> graphs_;
};

// The same for a run on each of several streams.
template <typename Run>
Result<double> time_together(backends::Backend& backend, std::vector<std::unique_ptr<Run>>& runs,
                             const backends::Kernel& kernel, const Streams& streams,
                             const MeasureOptions& options) {
  const auto execute = [&](size_t copy) { return runs[copy]->execute(kernel); };
  for (size_t i = 0; i < runs.size(); ++i) {
    streams[i]->enter();
    PENSTOCK_RETURN_IF_ERROR(execute(i));
    PENSTOCK_RETURN_IF_ERROR(streams[i]->flush());
  }
  PENSTOCK_ASSIGN_OR_RETURN(const double alone, streams[0]->time([&] { return execute(0); }, 1));
  // Long enough that all of them run beside each other but for a small part.
  Together together(backend, streams, execute,
                    batch_size(alone, streams[0]->is_asynchronous() ? 1000 : 200));
  PENSTOCK_RETURN_IF_ERROR(together.time().status());
  Times times(options);
  while (!times.is_enough()) {
    PENSTOCK_ASSIGN_OR_RETURN(const double microseconds, together.time());
    times.add(microseconds, false);
  }
  return times.least();
}

}  // namespace

ir::ConstantRef random_data(const Operand& operand) {
  const auto bytes =
      static_cast<int64_t>(ir::storage_bytes(operand.dtype, operand.shape, operand.layout));
  ir::ConstantRef data = ir::make_constant(DataType::kUInt8, {bytes}, nullptr);
  auto* memory = const_cast<std::byte*>(data->data);
  std::span<const std::byte> pattern;
  switch (operand.dtype) {
    case DataType::kFloat32: pattern = random_pattern<float>(); break;
    case DataType::kFloat16: pattern = random_pattern<Half>(); break;
    case DataType::kBFloat16: pattern = random_pattern<BFloat16>(); break;
    case DataType::kInt8:
    case DataType::kUInt8: pattern = random_pattern<int8_t>(); break;
    case DataType::kBool: std::fill_n(memory, bytes, std::byte{1}); return data;
    default: return data;
  }
  for (size_t at = 0; at < static_cast<size_t>(bytes); at += pattern.size()) {
    std::memcpy(memory + at, pattern.data(),
                std::min(pattern.size(), static_cast<size_t>(bytes) - at));
  }
  return data;
}

Result<double> measure(backends::Backend& backend, const backends::Tactic& tactic,
                       const NodeFacts& original, const Streams& streams,
                       const MeasureOptions& options) {
  backends::Stream& stream = *streams[0];
  NodeFacts facts = original;
  std::vector<ir::ConstantRef> keep;
  stream.enter();
  PENSTOCK_RETURN_IF_ERROR(pack_constants(tactic, facts, keep));
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<backends::Kernel> kernel, tactic.bind(facts));
  if (options.workspace_bytes > 0 && kernel->workspace_bytes() > options.workspace_bytes) {
    return Status(StatusCode::kOutOfMemory, "wants " +
                                                std::to_string(kernel->workspace_bytes() >> 20) +
                                                " MiB of workspace, more than the limit");
  }
  std::vector<const void*> inputs;
  for (const Operand& operand : facts.inputs) {
    if (operand.present && operand.data == nullptr) {
      keep.push_back(random_data(operand));
      inputs.push_back(keep.back()->data);
    } else {
      inputs.push_back(operand.data);
    }
  }
  if (!backend.is_host_memory()) {
    std::vector<std::unique_ptr<ops::DeviceRun>> runs;
    for (const auto& each : streams) {
      const ops::DeviceRun* first = runs.empty() ? nullptr : runs[0].get();
      PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<ops::DeviceRun> run,
                                ops::DeviceRun::create(backend, facts, inputs, *each, first));
      runs.push_back(std::move(run));
    }
    return runs.size() == 1 ? time_runs(*runs[0], *kernel, stream, options)
                            : time_together(backend, runs, *kernel, streams, options);
  }
  std::vector<std::unique_ptr<ops::HostRun>> runs;
  for (const auto& each : streams) {
    runs.push_back(std::make_unique<ops::HostRun>(facts, inputs, *each));
  }
  return runs.size() == 1 ? time_runs(*runs[0], *kernel, stream, options)
                          : time_together(backend, runs, *kernel, streams, options);
}

}  // namespace penstock::tune
