// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "accuracy/stopwatch.h"

#include <penstock/context.h>

#include <chrono>

#include "accuracy/samples.h"

namespace penstock::accuracy {
namespace {

constexpr int kRounds = 7;
constexpr double kRoundMs = 25;
constexpr int kMostRuns = 200;  // of a round

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Milliseconds of a run, over a round of them.
Result<double> time_round(ExecutionContext& context, const Arrays& inputs) {
  const Clock::time_point begin = Clock::now();
  for (int runs = 1;; ++runs) {
    PENSTOCK_RETURN_IF_ERROR(context.run(inputs).status());
    const double spent = milliseconds(Clock::now() - begin);
    if (spent >= kRoundMs || runs == kMostRuns) return spent / runs;
  }
}

// As many samples as the plan is tuned for, the data over again where it has fewer.
Tensor batch_of(const Tensor& array, int64_t count) {
  if (array.shape()[0] >= count) return rows(array, 0, count);
  Shape shape = array.shape();
  shape[0] = count;
  Tensor result(array.dtype(), shape);
  const auto* from = static_cast<const std::byte*>(array.data());
  auto* to = static_cast<std::byte*>(result.data());
  for (size_t at = 0; at < result.bytes(); at += array.bytes()) {
    std::copy_n(from, std::min(array.bytes(), result.bytes() - at), to + at);
  }
  return result;
}

}  // namespace

struct Stopwatch::State {
  ExecutionContext reference;
  Arrays inputs;
};

Stopwatch::Stopwatch(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stopwatch::Stopwatch(Stopwatch&&) noexcept = default;
Stopwatch::~Stopwatch() = default;

Result<Stopwatch> Stopwatch::create(const Engine& reference, const Arrays& data) {
  Arrays inputs;
  for (const TensorInfo& input : reference.inputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(const Tensor array,
                              converted(data.at(input.name), input.dtype, input.name));
    const auto it = reference.profile().inputs.find(input.name);
    const bool is_tuned = it != reference.profile().inputs.end() && !it->second.opt.empty();
    const int64_t fixed = !input.shape.empty() && input.shape[0] > 0 ? input.shape[0] : 1;
    inputs[input.name] = batch_of(array, is_tuned ? it->second.opt[0] : fixed);
  }
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, reference.create_context());
  return Stopwatch(std::make_unique<State>(State{std::move(context), std::move(inputs)}));
}

Result<Stopwatch::Times> Stopwatch::measure(const Engine& engine) {
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
  std::vector<double> times;
  std::vector<double> ratios;
  for (int round = -1; round < kRounds; ++round) {  // the first warms up
    PENSTOCK_ASSIGN_OR_RETURN(const double ours, time_round(context, state_->inputs));
    PENSTOCK_ASSIGN_OR_RETURN(const double theirs, time_round(state_->reference, state_->inputs));
    if (round < 0) continue;
    times.push_back(ours);
    ratios.push_back(theirs / ours);
  }
  return Times{median(times), median(ratios)};
}

}  // namespace penstock::accuracy
