// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>

#include "ops/host_run.h"

namespace penstock::tune {
namespace {

using backends::NodeFacts;
using backends::Operand;
using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

// Floats from -1 to 1: zeros would flatter kernels, and integers are zeros so that indices stay
// valid.
ir::ConstantRef random_data(const Operand& operand) {
  const auto bytes =
      static_cast<int64_t>(ir::storage_bytes(operand.dtype, operand.shape, operand.layout));
  ir::ConstantRef data = ir::make_constant(DataType::kUInt8, {bytes}, nullptr);
  auto* memory = const_cast<std::byte*>(data->data);
  if (operand.dtype == DataType::kFloat32) {
    std::minstd_rand generator(1);
    auto* floats = reinterpret_cast<float*>(memory);
    for (int64_t i = 0; i < bytes / 4; ++i) {
      floats[i] =
          static_cast<float>(generator()) / static_cast<float>(std::minstd_rand::max()) * 2 - 1;
    }
  } else if (operand.dtype == DataType::kBool) {
    std::fill_n(memory, bytes, std::byte{1});
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

Result<double> measure(const backends::Tactic& tactic, const NodeFacts& original,
                       backends::Stream& stream, const MeasureOptions& options) {
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
  ops::HostRun run(facts, std::move(inputs), stream);
  PENSTOCK_RETURN_IF_ERROR(run.execute(*kernel));
  const Clock::time_point first = Clock::now();
  PENSTOCK_RETURN_IF_ERROR(run.execute(*kernel));
  const double estimate = std::max(0.05, microseconds_since(first));
  // Short kernels are timed in batches: the clock costs some 30 ns.
  const int batch = std::clamp(static_cast<int>(20.0 / estimate), 1, 100);
  Times times(options);
  while (!times.is_enough()) {
    const int64_t before = preemptions();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < batch; ++i) PENSTOCK_RETURN_IF_ERROR(run.execute(*kernel));
    const double microseconds = microseconds_since(start) / batch;
    times.add(microseconds, preemptions() != before);
  }
  return times.least();
}

}  // namespace penstock::tune
