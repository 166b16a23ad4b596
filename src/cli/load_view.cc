// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/load.h"

namespace penstock::cli {
namespace {

constexpr size_t kRates = 60;

std::string milliseconds(uint64_t nanoseconds) {
  return fmt::format("{:.4g} ms", static_cast<double>(nanoseconds) / 1e6);
}

// A bar for each rate, the highest as high as a line.
std::string bars(const std::vector<double>& rates) {
  static constexpr std::array<std::string_view, 8> kBars = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const double most = rates.empty() ? 0 : *std::max_element(rates.begin(), rates.end());
  std::string text;
  for (const double rate : rates) {
    const double height = most > 0 ? rate / most * 7.99 : 0;
    text += kBars[static_cast<size_t>(std::clamp(height, 0.0, 7.0))];
  }
  return text;
}

std::string percentiles_text(const load::Distribution& times) {
  return fmt::format("p50 {:<10} p90 {:<10} p99 {:<10} max {}", milliseconds(times.percentile(50)),
                     milliseconds(times.percentile(90)), milliseconds(times.percentile(99)),
                     milliseconds(times.longest()));
}

}  // namespace

LoadView::LoadView(const LoadDescription& description, const load::RunSettings& settings,
                   bool quiet)
    : description_(description),
      settings_(settings),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

// The picture makes room for the report.
LoadView::~LoadView() {
  if (drawn_lines_ > 0) fmt::print(stderr, "\033[{}A\033[J", drawn_lines_);
}

void LoadView::update(const load::Snapshot& snapshot) {
  if (quiet_) return;
  if (!has_last_) {
    last_ = snapshot;
    has_last_ = true;
    return;
  }
  const double seconds = snapshot.elapsed_s - last_.elapsed_s;
  if (seconds < (terminal_ ? 0.2 : 1.0)) return;
  const load::Distribution recent = snapshot.latency.since(last_.latency);
  if (terminal_) {
    draw(snapshot, recent, seconds);
  } else if (snapshot.elapsed_s < 0) {
    fmt::print(stderr, "[{:7.1f} s] warm-up\n", snapshot.elapsed_s);
  } else {
    fmt::print(
        stderr,
        "[{:7.1f} s] {:.0f}/s, p50 {}, p99 {}, max {}, in flight {}, waiting {}, failed {}\n",
        snapshot.elapsed_s, static_cast<double>(recent.count()) / seconds,
        milliseconds(recent.percentile(50)), milliseconds(recent.percentile(99)),
        milliseconds(recent.longest()), snapshot.in_flight, snapshot.waiting, snapshot.failed());
  }
  last_ = snapshot;
}

void LoadView::draw(const load::Snapshot& snapshot, const load::Distribution& recent,
                    double seconds) {
  rates_.push_back(static_cast<double>(recent.count()) / seconds);
  if (rates_.size() > kRates) rates_.erase(rates_.begin());
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("{}, {}: {}", description_.target, description_.what, loop_text(settings_)));
  const std::string time = snapshot.elapsed_s < 0
                               ? fmt::format("warm-up, {:.1f} s to go", -snapshot.elapsed_s)
                               : fmt::format("{:.1f} s", snapshot.elapsed_s);
  lines.push_back(fmt::format("{:<22} answered {:<10} failed {:<8} in flight {:<6} waiting {}",
                              time, snapshot.latency.count(), snapshot.failed(), snapshot.in_flight,
                              snapshot.waiting));
  lines.push_back(fmt::format("now  {:>9.0f}/s  {}", rates_.back(), percentiles_text(recent)));
  lines.push_back(fmt::format(
      "all  {:>9.0f}/s  {}",
      static_cast<double>(snapshot.latency.count()) / std::max(snapshot.elapsed_s, 0.001),
      percentiles_text(snapshot.latency)));
  lines.push_back(bars(rates_));
  std::string picture = drawn_lines_ > 0 ? fmt::format("\033[{}A", drawn_lines_) : "";
  for (const std::string& line : lines) picture += "\r\033[K" + line + "\n";
  fmt::print(stderr, "{}", picture);
  std::fflush(stderr);
  drawn_lines_ = static_cast<int>(lines.size());
}

}  // namespace penstock::cli
