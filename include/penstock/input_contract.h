// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace penstock {

// What elements a model expects in one of its inputs, after all preprocessing.
struct InputContract {
  enum class Source : uint8_t { kGiven, kCalibration };
  double min = 0;  // smallest and largest element: as given to the build, or as calibration saw
  double max = 0;
  Source source = Source::kGiven;
  // How data of 0 to 1 becomes such elements, where that was given: (x - mean) / deviation, with a
  // number for each channel, or one for all. Empty, both, where it was not.
  std::vector<double> mean;
  std::vector<double> deviation;

  bool operator==(const InputContract&) const = default;
};

}  // namespace penstock
