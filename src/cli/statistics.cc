// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace penstock::cli {

Statistics summarize(std::vector<double> values, const std::vector<double>& percents) {
  Statistics result;
  if (values.empty()) {
    for (double percent : percents) result.percentiles.emplace_back(percent, 0.0);
    return result;
  }
  std::sort(values.begin(), values.end());
  const size_t count = values.size();
  result.min = values.front();
  result.max = values.back();
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count);
  result.median =
      count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
  double squares = 0;
  for (double value : values) squares += (value - result.mean) * (value - result.mean);
  if (result.mean > 0) {
    result.coefficient_of_variation = std::sqrt(squares / static_cast<double>(count)) / result.mean;
  }
  for (double percent : percents) {
    const double rank = std::ceil(percent / 100 * static_cast<double>(count));
    const auto index =
        static_cast<size_t>(std::clamp(rank - 1, 0.0, static_cast<double>(count - 1)));
    result.percentiles.emplace_back(percent, values[index]);
  }
  return result;
}

std::string to_text(const Statistics& statistics) {
  std::string text =
      fmt::format("min = {:.6g} ms, max = {:.6g} ms, mean = {:.6g} ms, median = {:.6g} ms",
                  statistics.min, statistics.max, statistics.mean, statistics.median);
  for (const auto& [percent, value] : statistics.percentiles) {
    text += fmt::format(", percentile({:g}%) = {:.6g} ms", percent, value);
  }
  return text;
}

}  // namespace penstock::cli
