// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/input_monitor.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "base/half.h"

namespace penstock {
namespace {

constexpr double kSlackOfSeen = 0.25;  // of the width of a range that calibration saw

struct Extremes {
  double min = INFINITY;
  double max = -INFINITY;
  int64_t outside = 0;
};

// NaN fails both comparisons. Lanes, so that compilers vectorise it.
template <typename T, typename C>
Extremes scan(const void* data, int64_t count, double low, double high) {
  constexpr int64_t kLanes = 16;
  const T* x = static_cast<const T*>(data);
  const C least = static_cast<C>(low);
  const C most = static_cast<C>(high);
  std::array<C, kLanes> min, max;
  min.fill(std::numeric_limits<C>::infinity());
  max.fill(-std::numeric_limits<C>::infinity());
  std::array<int64_t, kLanes> outside{};
  const auto take = [&](int64_t lane, C value) {
    min[lane] = value < min[lane] ? value : min[lane];
    max[lane] = value > max[lane] ? value : max[lane];
    outside[lane] += value >= least && value <= most ? 0 : 1;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) take(lane, static_cast<C>(x[i + lane]));
  }
  for (; i < count; ++i) take(0, static_cast<C>(x[i]));
  Extremes result;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    result.min = std::min(result.min, static_cast<double>(min[lane]));
    result.max = std::max(result.max, static_cast<double>(max[lane]));
    result.outside += outside[lane];
  }
  return result;
}

Extremes scan(DataType dtype, const void* data, int64_t count, double low, double high) {
  switch (dtype) {
    case DataType::kFloat32: return scan<float, float>(data, count, low, high);
    case DataType::kFloat64: return scan<double, double>(data, count, low, high);
    case DataType::kFloat16: return scan<Half, float>(data, count, low, high);
    case DataType::kBFloat16: return scan<BFloat16, float>(data, count, low, high);
    case DataType::kInt8: return scan<int8_t, float>(data, count, low, high);
    case DataType::kUInt8: return scan<uint8_t, float>(data, count, low, high);
    case DataType::kInt16: return scan<int16_t, float>(data, count, low, high);
    case DataType::kUInt16: return scan<uint16_t, float>(data, count, low, high);
    case DataType::kInt32: return scan<int32_t, double>(data, count, low, high);
    case DataType::kUInt32: return scan<uint32_t, double>(data, count, low, high);
    case DataType::kInt64: return scan<int64_t, double>(data, count, low, high);
    case DataType::kUInt64: return scan<uint64_t, double>(data, count, low, high);
    default: return {};
  }
}

std::string list(const std::vector<double>& numbers) {
  std::string text;
  for (const double x : numbers) text += fmt::format("{}{:g}", text.empty() ? "" : "/", x);
  return text;
}

std::string sentence(const std::string& name, const InputContract& contract, int64_t count,
                     const Extremes& seen) {
  const std::string origin = contract.source == InputContract::Source::kGiven
                                 ? "that the plan was built for"
                                 : "that calibration saw";
  std::string text =
      fmt::format("input '{}': {} of {} elements are outside the range {:g} to {:g} {}", name,
                  seen.outside, count, contract.min, contract.max, origin);
  text += seen.min <= seen.max ? fmt::format(": they reach from {:g} to {:g}", seen.min, seen.max)
                               : std::string(": they are no numbers");
  if (!contract.mean.empty()) {
    text += fmt::format("; it takes (x - {}) / {} of x from 0 to 1", list(contract.mean),
                        list(contract.deviation));
  } else if (seen.min >= 0 && seen.max > 128 && seen.max <= 255 && contract.max <= 8) {
    text += "; are pixels of 0 to 255 to be divided by 255 first?";
  }
  return text;
}

}  // namespace

struct InputMonitor::State {
  struct Input {
    std::string name;
    InputContract contract;
    double low = 0;
    double high = 0;
    std::atomic<int64_t> tensors{0};
    std::atomic<int64_t> tensors_outside{0};
    std::atomic<int64_t> elements_outside{0};
  };
  std::vector<std::unique_ptr<Input>> inputs;
};

InputMonitor::InputMonitor(const Engine& engine) : state_(std::make_unique<State>()) {
  for (const auto& [name, contract] : engine.input_contracts()) {
    auto input = std::make_unique<State::Input>();
    input->name = name;
    input->contract = contract;
    const double width = contract.max - contract.min;
    const bool was_seen = contract.source == InputContract::Source::kCalibration;
    const double slack = was_seen ? kSlackOfSeen * width : 0;
    input->low = contract.min - slack;
    input->high = contract.max + slack;
    state_->inputs.push_back(std::move(input));
  }
}

InputMonitor::~InputMonitor() = default;
InputMonitor::InputMonitor(InputMonitor&&) noexcept = default;
InputMonitor& InputMonitor::operator=(InputMonitor&&) noexcept = default;

std::optional<std::string> InputMonitor::check(std::string_view input, const Tensor& tensor) {
  return check(input, tensor.dtype(), tensor.shape(), tensor.data());
}

std::optional<std::string> InputMonitor::check(std::string_view input, DataType dtype,
                                               const Shape& shape, const void* data) {
  for (const auto& known : state_->inputs) {
    if (known->name != input) continue;
    const int64_t count = element_count(shape);
    const Extremes seen = scan(dtype, data, count, known->low, known->high);
    ++known->tensors;
    if (seen.outside == 0) return std::nullopt;
    ++known->tensors_outside;
    known->elements_outside += seen.outside;
    return sentence(known->name, known->contract, count, seen);
  }
  return std::nullopt;
}

std::vector<InputCount> InputMonitor::counts() const {
  std::vector<InputCount> counts;
  for (const auto& input : state_->inputs) {
    counts.push_back(
        {input->name, input->tensors, input->tensors_outside, input->elements_outside});
  }
  return counts;
}

}  // namespace penstock
