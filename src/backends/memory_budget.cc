// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/memory_budget.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace penstock::backends {
namespace {

constexpr double kMost = 9.0e18;  // below 2^63: sums of two sizes do not wrap

}  // namespace

std::string_view to_string(MemoryUse use) {
  switch (use) {
    case MemoryUse::kWeights: return "weights";
    case MemoryUse::kScratch: return "scratch memory";
    case MemoryUse::kTensors: return "inputs and outputs";
    case MemoryUse::kTuning: return "tuning";
    case MemoryUse::kBuffers: return "buffers of the application";
  }
  return "";
}

std::string size_text(uint64_t bytes) {
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  constexpr uint64_t kGibibyte = uint64_t{1} << 30;
  if (bytes < kMebibyte) return std::to_string(bytes) + " bytes";
  if (bytes < kGibibyte) return std::to_string(bytes / kMebibyte) + " MiB";
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f GiB",
                static_cast<double>(bytes) / static_cast<double>(kGibibyte));
  return text;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  unit.erase(0, unit.find_first_not_of(' ') == std::string::npos ? 0 : unit.find_first_not_of(' '));
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](char c) { return static_cast<char>(std::tolower(c)); });
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  if (unit.size() == 2 && unit.back() == 'i') unit.pop_back();
  constexpr std::string_view kUnits = "kmgt";
  double factor = 1;
  if (!unit.empty()) {
    const size_t at = kUnits.find(unit.front());
    if (unit.size() != 1 || at == std::string_view::npos) return std::nullopt;
    for (size_t i = 0; i <= at; ++i) factor *= 1024;
  }
  if (number * factor > kMost) return std::nullopt;
  return static_cast<uint64_t>(number * factor);
}

Status MemoryBudget::take(uint64_t bytes, MemoryUse use, std::string_view device) {
  {
    const std::lock_guard lock(mutex_);
    const bool fits = figures_.limit == 0 ||
                      (figures_.held <= figures_.limit && bytes <= figures_.limit - figures_.held);
    if (fits) {
      figures_.held += bytes;
      figures_.by_use[static_cast<size_t>(use)] += bytes;
      figures_.peak = std::max(figures_.peak, figures_.held);
      return Status::ok();
    }
  }
  return {StatusCode::kOutOfMemory, "no memory for " + size_text(bytes) + " more of " +
                                        std::string(to_string(use)) + ": " + holdings(device) +
                                        " of the " + size_text(figures().limit) +
                                        " that the memory limit allows; smaller input shapes and "
                                        "fewer contexts need less"};
}

void MemoryBudget::give_back(uint64_t bytes, MemoryUse use) {
  const std::lock_guard lock(mutex_);
  figures_.held -= bytes;
  figures_.by_use[static_cast<size_t>(use)] -= bytes;
}

void MemoryBudget::set_limit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  figures_.limit = bytes;
  limit_was_set_ = true;
}

void MemoryBudget::set_default_limit(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!limit_was_set_) figures_.limit = bytes;
}

void MemoryBudget::reset_peak() {
  const std::lock_guard lock(mutex_);
  figures_.peak = figures_.held;
}

MemoryBudget::Figures MemoryBudget::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

std::string MemoryBudget::holdings(std::string_view device) const {
  const Figures now = figures();
  std::string parts;
  for (size_t i = 0; i < kMemoryUses; ++i) {
    if (now.by_use[i] == 0) continue;
    parts += (parts.empty() ? " (" : ", ") + std::string(to_string(static_cast<MemoryUse>(i))) +
             " " + size_text(now.by_use[i]);
  }
  return "this process holds " + size_text(now.held) + " of " + std::string(device) +
         (parts.empty() ? "" : parts + ")");
}

Result<uint64_t> environment_memory_limit(std::string_view device) {
  const char* value = std::getenv("PENSTOCK_MEMORY_LIMIT");
  std::string_view rest = value == nullptr ? "" : value;
  uint64_t limit = 0;
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest = entry.size() == rest.size() ? "" : rest.substr(entry.size() + 1);
    const size_t equals = entry.find('=');
    const std::string_view size = equals == entry.npos ? entry : entry.substr(equals + 1);
    const std::optional<uint64_t> bytes = parse_size(size);
    if (!bytes) {
      return Status(StatusCode::kInvalidArgument,
                    "the environment's PENSTOCK_MEMORY_LIMIT: '" + std::string(size) +
                        "' is no size; give 4GiB or 512MiB, or cuda:0=4GiB,cpu=8GiB");
    }
    if (equals == entry.npos || entry.substr(0, equals) == device) limit = *bytes;
  }
  return limit;
}

}  // namespace penstock::backends
