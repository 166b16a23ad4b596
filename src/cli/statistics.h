// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace penstock::cli {

// The figures of trtexec's summary lines, in milliseconds.
struct Statistics {
  double min = 0;
  double max = 0;
  double mean = 0;
  double median = 0;
  double coefficient_of_variation = 0;                 // standard deviation / mean
  std::vector<std::pair<double, double>> percentiles;  // (percent, value)
};

// Percentiles by nearest rank. All zeros where there is no value.
Statistics summarize(std::vector<double> values, const std::vector<double>& percents);

// "min = 1 ms, max = 2 ms, mean = 1.5 ms, median = 1.5 ms, percentile(90%) = 2 ms, ..."
std::string to_text(const Statistics& statistics);

}  // namespace penstock::cli
