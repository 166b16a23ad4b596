// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/profile_limits.h"

namespace penstock::runtime {
namespace {

constexpr int64_t kNoLargestExtent = -1;

// A number, or "any" for no limit.
std::string limit(int64_t value, int64_t none) {
  return value == none ? "any" : std::to_string(value);
}

std::string bounds(const std::vector<int64_t>& values, int64_t none) {
  std::string text;
  for (int64_t value : values) text += (text.empty() ? "" : ", ") + limit(value, none);
  return "[" + text + "]";
}

template <typename Range>
std::string all_limits(const std::vector<OptimizationProfile>& profiles, const std::string& input,
                       std::map<std::string, Range> OptimizationProfile::*ranges, int64_t none) {
  std::string text;
  for (size_t i = 0; i < profiles.size(); ++i) {
    text += (i == 0 ? "profile " : "; profile ") + std::to_string(i) + " takes ";
    const auto range = (profiles[i].*ranges).find(input);
    text += range == (profiles[i].*ranges).end()
                ? "any"
                : bounds(range->second.min, none) + " to " + bounds(range->second.max, none);
  }
  return text;
}

}  // namespace

Status check_shape(const OptimizationProfile& profile, std::string_view profile_name,
                   const std::string& input, const Shape& shape) {
  const auto range = profile.inputs.find(input);
  if (range == profile.inputs.end()) return Status::ok();
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t low = range->second.min[i];
    const int64_t high = range->second.max[i];
    if (shape[i] >= low && (high == kNoLargestExtent || shape[i] <= high)) continue;
    return {StatusCode::kInvalidArgument,
            "input '" + input + "' of shape " + to_string(shape) + ": extent " + std::to_string(i) +
                " is outside " + std::string(profile_name) + ", " + std::to_string(low) + " to " +
                limit(high, kNoLargestExtent) +
                " (build with --min-shapes and --max-shapes that cover it)"};
  }
  return Status::ok();
}

Status check_values(const OptimizationProfile& profile, std::string_view profile_name,
                    const std::string& input, std::span<const int64_t> values) {
  const auto range = profile.values.find(input);
  if (range == profile.values.end()) return Status::ok();
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t low = range->second.min[i];
    const int64_t high = range->second.max[i];
    if (values[i] >= low && values[i] <= high) continue;
    return {StatusCode::kInvalidArgument,
            "input '" + input + "' holds " + to_string(Shape(values.begin(), values.end())) +
                ": value " + std::to_string(i) + " is outside " + std::string(profile_name) + ", " +
                std::to_string(low) + " to " + limit(high, ValueRange::kNoLimit) +
                " (build with a profile that covers it)"};
  }
  return Status::ok();
}

std::string shape_limits(const std::vector<OptimizationProfile>& profiles,
                         const std::string& input) {
  return all_limits(profiles, input, &OptimizationProfile::inputs, kNoLargestExtent);
}

std::string value_limits(const std::vector<OptimizationProfile>& profiles,
                         const std::string& input) {
  return all_limits(profiles, input, &OptimizationProfile::values, ValueRange::kNoLimit);
}

}  // namespace penstock::runtime
