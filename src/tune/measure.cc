// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <random>
#include <span>

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

// Elements of a type from -1 to 1, as many as a prime number: repeated, they fall differently on
// the rows of any tensor.
template <typename T>
std::span<const std::byte> random_pattern() {
  constexpr size_t kCount = 65521;
  static const std::vector<T> the = [] {
    std::minstd_rand generator(1);
    std::vector<T> values;
    for (size_t i = 0; i < kCount; ++i) {
      values.push_back(static_cast<T>(
          static_cast<float>(generator()) / static_cast<float>(std::minstd_rand::max()) * 2 - 1));
    }
    return values;
  }();
  return std::as_bytes(std::span(the));
}

// Random floats: zeros would flatter kernels. Integers are zeros, so that indices stay valid.
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
    case DataType::kBool: std::fill_n(memory, bytes, std::byte{1}); return data;
    default: return data;
  }
  for (size_t at = 0; at < static_cast<size_t>(bytes); at += pattern.size()) {
    std::memcpy(memory + at, pattern.data(),
                std::min(pattern.size(), static_cast<size_t>(bytes) - at));
  }
  return data;
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

}  // namespace

namespace {

// Times a kernel through `run`, a HostRun or a DeviceRun.
template <typename Run>
Result<double> time_runs(Run& run, const backends::Kernel& kernel, backends::Stream& stream,
                         const MeasureOptions& options) {
  const auto execute = [&] { return run.execute(kernel); };
  PENSTOCK_RETURN_IF_ERROR(execute());
  PENSTOCK_ASSIGN_OR_RETURN(double estimate, stream.time(execute, 1));
  estimate = std::max(0.05, estimate);
  // Short kernels are timed in batches: the clock costs some 30 ns, and on a GPU some 2 us.
  const int batch =
      std::clamp(static_cast<int>((stream.is_asynchronous() ? 200.0 : 20.0) / estimate), 1, 100);
  Times times(options);
  while (!times.is_enough()) {
    const int64_t before = preemptions();
    PENSTOCK_ASSIGN_OR_RETURN(const double microseconds, stream.time(execute, batch));
    // What the host loses its core to does not disturb a device.
    times.add(microseconds, !stream.is_asynchronous() && preemptions() != before);
  }
  return times.least();
}

}  // namespace

Result<double> measure(backends::Backend& backend, const backends::Tactic& tactic,
                       const NodeFacts& original, backends::Stream& stream,
                       const MeasureOptions& options) {
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
    PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<ops::DeviceRun> run,
                              ops::DeviceRun::create(backend, facts, inputs, stream));
    return time_runs(*run, *kernel, stream, options);
  }
  ops::HostRun run(facts, std::move(inputs), stream);
  return time_runs(run, *kernel, stream, options);
}

}  // namespace penstock::tune
