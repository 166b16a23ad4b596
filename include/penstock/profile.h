// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

#include <penstock/types.h>

namespace penstock {

// The shapes an input may take. Tactics are tuned at `opt`, correct everywhere from `min` to `max`.
struct ShapeRange {
  Shape min;
  Shape opt;
  Shape max;
};

// The values that a shape input may hold: a small integer input whose contents tell shapes, such as
// Reshape's shape. One number for each element.
struct ValueRange {
  static constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();  // in max

  std::vector<int64_t> min;
  std::vector<int64_t> opt;
  std::vector<int64_t> max;
};

// TensorRT's optimisation profile: one range for each input whose shape varies. An input without a
// range gets one from its model: 0 as the smallest extent, no largest, tuned at 1 in front and 128
// elsewhere.
struct OptimizationProfile {
  std::map<std::string, ShapeRange> inputs;
  // Where every value is 1 or more in every profile, shapes are planned before the run and tuned at
  // `opt`; else, and for shape inputs without a range, they are found as the run goes. A range in
  // `inputs` that cannot be a shape, for a small integer input of fixed shape, counts as values.
  std::map<std::string, ValueRange> values;
};

}  // namespace penstock
