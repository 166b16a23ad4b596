// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/load.h"

namespace penstock::cli {
namespace {

using load::Distribution;
using load::Loop;

double milliseconds(double nanoseconds) { return nanoseconds / 1e6; }

double rate_of(const load::Snapshot& result) {
  return result.measured_s <= 0 ? 0
                                : static_cast<double>(result.latency.count()) / result.measured_s;
}

std::string times_text(const Distribution& times, const std::vector<double>& percentiles) {
  std::string text =
      fmt::format("min {:.4g}  mean {:.4g}", milliseconds(static_cast<double>(times.shortest())),
                  milliseconds(times.mean()));
  for (const double percent : percentiles) {
    text += fmt::format("  p{:g} {:.4g}", percent,
                        milliseconds(static_cast<double>(times.percentile(percent))));
  }
  return text + fmt::format("  max {:.4g} ms", milliseconds(static_cast<double>(times.longest())));
}

nlohmann::ordered_json times_json(const Distribution& times,
                                  const std::vector<double>& percentiles) {
  nlohmann::ordered_json json;
  json["min"] = milliseconds(static_cast<double>(times.shortest()));
  json["mean"] = milliseconds(times.mean());
  for (const double percent : percentiles) {
    json[fmt::format("p{:g}", percent)] =
        milliseconds(static_cast<double>(times.percentile(percent)));
  }
  json["max"] = milliseconds(static_cast<double>(times.longest()));
  return json;
}

}  // namespace

std::string loop_text(const load::RunSettings& settings) {
  switch (settings.loop) {
    case Loop::kClosed: return fmt::format("closed loop, {} in flight", settings.concurrency);
    case Loop::kConstant: return fmt::format("open loop, {:g}/s evenly", settings.rate);
    case Loop::kPoisson: return fmt::format("open loop, {:g}/s, Poisson arrivals", settings.rate);
    case Loop::kRecorded: return "open loop, recorded arrivals";
  }
  return "";
}

void print_load_report(const LoadDescription& description, const load::RunSettings& settings,
                       const load::Snapshot& result) {
  const bool open = settings.loop != Loop::kClosed;
  fmt::print("{}, {}: {}\n", description.target, description.what, loop_text(settings));
  fmt::print("answered   {} of {} bytes in {:.2f} s: {:.6g}/s\n", result.latency.count(),
             description.request_bytes, std::max(result.measured_s, 0.0), rate_of(result));
  fmt::print("latency    {}\n", times_text(result.latency, description.percentiles));
  if (open) {
    fmt::print("  (from when a request was due; the part from its sending:)\n");
    fmt::print("service    {}\n", times_text(result.service, description.percentiles));
    if (result.most_waiting > 0) {
      fmt::print("waiting    up to {} requests for one of {} connections or streams\n",
                 result.most_waiting, settings.concurrency);
    }
  }
  for (const auto& [reason, entry] : result.failures) {
    fmt::print("failed     {} {}{}\n", entry.count, reason,
               entry.detail.empty() ? "" : ": " + entry.detail);
  }
}

std::string load_report_json(const LoadDescription& description, const load::RunSettings& settings,
                             const load::Snapshot& result) {
  const bool open = settings.loop != Loop::kClosed;
  nlohmann::ordered_json json;
  json["target"] = description.target;
  json["what"] = description.what;
  json["format"] = description.format;
  json["load"] = loop_text(settings);
  json["latency_from"] = open ? "due" : "sent";
  json["concurrency"] = settings.concurrency;
  json["threads"] = settings.threads;
  json["request_bytes"] = description.request_bytes;
  json["measured_s"] = std::max(result.measured_s, 0.0);
  json["answered"] = result.latency.count();
  json["failed"] = result.failed();
  json["rate"] = rate_of(result);
  json["latency_ms"] = times_json(result.latency, description.percentiles);
  if (open) {
    json["service_ms"] = times_json(result.service, description.percentiles);
    json["most_waiting"] = result.most_waiting;
  }
  json["failures"] = nlohmann::ordered_json::array();
  for (const auto& [reason, entry] : result.failures) {
    json["failures"].push_back(
        {{"reason", reason}, {"count", entry.count}, {"detail", entry.detail}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace penstock::cli
