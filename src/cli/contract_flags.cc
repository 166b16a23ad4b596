// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "cli/commands.h"

namespace penstock::cli {
namespace {

// "1.5", or nothing where it is no number.
std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "0.485/0.456/0.406"
std::optional<std::vector<double>> parse_numbers(std::string_view text) {
  std::vector<double> numbers;
  for (;;) {
    const size_t slash = text.find('/');
    const std::optional<double> number = parse_number(text.substr(0, slash));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (slash == std::string_view::npos) return numbers;
    text.remove_prefix(slash + 1);
  }
}

Status bad(const std::string& flag, const std::string& text, const std::string& wanted) {
  return {StatusCode::kInvalidArgument, fmt::format("{} '{}': give {}", flag, text, wanted)};
}

// NAME:VALUE; names may have colons.
bool split(std::string_view text, std::string_view& name, std::string_view& value) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  name = text.substr(0, colon);
  value = text.substr(colon + 1);
  return true;
}

// What pixels of 0 to 1 become.
void range_of_normalized(InputContract& contract) {
  contract.min = INFINITY;
  contract.max = -INFINITY;
  for (size_t i = 0; i < contract.mean.size(); ++i) {
    contract.min = std::min(contract.min, -contract.mean[i] / contract.deviation[i]);
    contract.max = std::max(contract.max, (1 - contract.mean[i]) / contract.deviation[i]);
  }
}

}  // namespace

void ContractFlags::add_to(CLI::App& command) {
  command
      .add_option("--input-range", ranges,
                  "NAME:MIN:MAX of an input, for the plan to record: runs warn of what leaves it")
      ->delimiter(',');
  command
      .add_option("--input-mean", means,
                  "NAME:M or NAME:R/G/B: an input of images takes (pixel / 255 - mean) / std")
      ->delimiter(',');
  command.add_option("--input-std", deviations, "NAME:S or NAME:R/G/B, with --input-mean")
      ->delimiter(',');
}

Result<std::map<std::string, InputContract>> ContractFlags::contracts() const {
  std::map<std::string, InputContract> contracts;
  std::string_view name, value;
  const auto add = [&](const char* flag, const std::vector<std::string>& texts,
                       std::vector<double> InputContract::*numbers) -> Status {
    for (const std::string& text : texts) {
      const auto parsed = split(text, name, value) ? parse_numbers(value) : std::nullopt;
      if (!parsed) return bad(flag, text, "NAME:NUMBER or NAME:NUMBER/NUMBER/NUMBER");
      contracts[std::string(name)].*numbers = *parsed;
    }
    return Status::ok();
  };
  PENSTOCK_RETURN_IF_ERROR(add("--input-mean", means, &InputContract::mean));
  PENSTOCK_RETURN_IF_ERROR(add("--input-std", deviations, &InputContract::deviation));
  for (auto& [input, contract] : contracts) {
    if (contract.mean.size() != contract.deviation.size()) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("input '{}' has --input-mean of {} numbers and --input-std of {}",
                                input, contract.mean.size(), contract.deviation.size()));
    }
    range_of_normalized(contract);
  }
  for (const std::string& text : ranges) {
    std::string_view rest, most;
    const bool has_parts = split(text, rest, most) && split(rest, name, value);
    const std::optional<double> min = has_parts ? parse_number(value) : std::nullopt;
    const std::optional<double> max = has_parts ? parse_number(most) : std::nullopt;
    if (!min || !max) return bad("--input-range", text, "NAME:MIN:MAX");
    contracts[std::string(name)].min = *min;
    contracts[std::string(name)].max = *max;
  }
  return contracts;
}

void warn_of_inputs(const Engine& engine, const std::map<std::string, Value>& inputs) {
  InputMonitor monitor(engine);
  for (const auto& [name, value] : inputs) {
    if (!value.is_tensor()) continue;
    const std::optional<std::string> warning = monitor.check(name, value.tensor());
    if (warning) fmt::print(stderr, "warning: {}\n", *warning);
  }
}

}  // namespace penstock::cli
