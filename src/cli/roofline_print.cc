// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/inspect.h"

namespace penstock::cli {
namespace {

using nlohmann::json;

// "4.29 TB/s", "640 TFLOP/s": powers of 1000, as rates are given.
std::string rate_text(double rate, const char* unit) {
  for (const auto& [power, prefix] : {std::pair(1e12, "T"), std::pair(1e9, "G")}) {
    if (rate >= power) return fmt::format("{:.3g} {}{}", rate / power, prefix, unit);
  }
  return fmt::format("{:.3g} M{}", rate / 1e6, unit);
}

std::string share_of(double part, double whole) {
  return whole <= 0 ? "-" : fmt::format("{:.1f} %", 100 * part / whole);
}

const char* unit_of(const std::string& precision) {
  return precision == "int8" ? "OP/s" : "FLOP/s";
}

void print_layer(const json& layer, double total) {
  const double us = layer["us"].get<double>();
  const bool has_ceiling = layer.contains("share");
  const std::string precision = layer.value("precision", "");
  const std::string bytes =
      has_ceiling ? rate_text(layer["bytes_per_second"].get<double>(), "B/s") : "";
  const std::string operations =
      has_ceiling && layer["operations"].get<double>() > 0
          ? rate_text(layer["operations_per_second"].get<double>(), unit_of(precision))
          : "";
  const std::string bound = layer["bound"].get<std::string>();
  fmt::print("{:>4}  {:>9.1f} us {:>7}  {:>11} {:>14}  {:<18} {:>7} {:>9}  {:<18} {}\n",
             layer["index"].get<size_t>(), us, share_of(us, total), bytes, operations,
             bound == "compute" ? precision + " products" : bound,
             has_ceiling ? fmt::format("{:.0f} %", 100 * layer["share"].get<double>()) : "-",
             has_ceiling ? fmt::format("{:.1f} us", layer["gain_us"].get<double>()) : "-",
             layer["op"].get<std::string>(), layer["name"].get<std::string>());
}

}  // namespace

void print_roofline(const json& report) {
  const json& ceilings = report["ceilings"];
  fmt::print("{}: '{}' on {}, {} thread{}, profile {}\n", report["file"].get<std::string>(),
             report["model"].get<std::string>(), report["device"].get<std::string>(),
             report["threads"].get<int>(), report["threads"].get<int>() == 1 ? "" : "s",
             report["profile"].get<size_t>());
  fmt::print("ceilings measured now: memory {}",
             rate_text(ceilings["bytes_per_second"].get<double>(), "B/s"));
  for (const auto& [precision, rate] : ceilings["operations_per_second"].items()) {
    fmt::print(", {} products {}", precision, rate_text(rate.get<double>(), unit_of(precision)));
  }
  const double total = report["us"].get<double>();
  const double gain = report["gain_us"].get<double>();
  fmt::print("\nlayers together {:.1f} us; at their ceilings {:.1f} us ({})\n\n", total,
             total - gain, share_of(total - gain, total));
  fmt::print("{:>4}  {:>12} {:>7}  {:>11} {:>14}  {:<18} {:>7} {:>9}  {:<18} {}\n", "step", "time",
             "of all", "memory", "arithmetic", "bound by", "reached", "to gain", "operator",
             "name");
  std::vector<json> layers = report["layers"].get<std::vector<json>>();
  std::stable_sort(layers.begin(), layers.end(), [](const json& a, const json& b) {
    return a["us"].get<double>() > b["us"].get<double>();
  });
  const bool above = std::any_of(layers.begin(), layers.end(),
                                 [](const json& layer) { return layer.value("share", 0.0) > 1; });
  for (const json& layer : layers) print_layer(layer, total);
  if (above) {
    fmt::print(
        "\nabove 100 %: tensors were read from caches, which are faster than memory, or other work "
        "kept the device busy while its ceilings were measured\n");
  }
}

}  // namespace penstock::cli
