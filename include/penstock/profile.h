// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <penstock/types.h>

namespace penstock {

// The shapes an input may take. Tactics are tuned at `opt`, correct everywhere from `min` to `max`.
struct ShapeRange {
  Shape min;
  Shape opt;
  Shape max;
};

// TensorRT's optimisation profile: one range for each input whose shape varies. An input without a
// range gets one from its model: 0 as the smallest extent, no largest, tuned at 1 in front and 128
// elsewhere.
struct OptimizationProfile {
  std::map<std::string, ShapeRange> inputs;
};

}  // namespace penstock
