// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/contract.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace penstock::plan {
namespace {

bool are_finite(const std::vector<double>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

Status check(const InputContract& contract) {
  const auto fail = [](const std::string& why) {
    return Status(StatusCode::kInvalidArgument, why);
  };
  if (!are_finite({contract.min, contract.max}) || contract.min > contract.max) {
    return fail(fmt::format("a range from {} to {}: give two numbers, the smaller first",
                            contract.min, contract.max));
  }
  if (contract.mean.size() != contract.deviation.size()) {
    return fail(fmt::format("a mean of {} numbers and a standard deviation of {}",
                            contract.mean.size(), contract.deviation.size()));
  }
  const bool is_positive = std::all_of(contract.deviation.begin(), contract.deviation.end(),
                                       [](double x) { return x > 0; });
  if (are_finite(contract.mean) && are_finite(contract.deviation) && is_positive) {
    return Status::ok();
  }
  return fail("a mean that is no number, or a standard deviation of 0 or less");
}

}  // namespace penstock::plan
