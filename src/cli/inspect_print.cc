// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/inspect.h"

namespace penstock::cli {
namespace {

using nlohmann::json;

std::string shape_of(const json& tensor) {
  if (tensor.contains("kind")) return "";  // its type tells the shapes of its tensors
  std::string text;
  for (const json& extent : tensor["shape"]) {
    text += (text.empty() ? "" : ", ") +
            (extent.is_string() ? extent.get<std::string>() : extent.dump());
  }
  return "[" + text + "]";
}

std::string expected_of(const json& tensor) {
  if (!tensor.contains("expected")) return "";
  const json& expected = tensor["expected"];
  std::string text =
      fmt::format(", from {:g} to {:g} ({})", expected["min"].get<double>(),
                  expected["max"].get<double>(), expected["source"].get<std::string>());
  for (const char* key : {"mean", "std"}) {
    if (expected.contains(key)) text += fmt::format(", {} {}", key, expected[key].dump());
  }
  return text;
}

void print_tensors(const std::string& title, const json& tensors) {
  for (const json& tensor : tensors) {
    fmt::print("{:<9}{} {}{}{}\n", title, tensor["name"].get<std::string>(),
               tensor["type"].get<std::string>(), shape_of(tensor), expected_of(tensor));
  }
}

std::string extents(const json& shape) {
  std::string text;
  for (const json& extent : shape) {
    const bool no_limit = extent.is_null() || extent.get<int64_t>() == -1;
    text += (text.empty() ? "" : "x") + (no_limit ? "*" : extent.dump());
  }
  return text;
}

void print_candidate(const json& candidate) {
  const std::string layout = candidate.contains("outputs") && !candidate["outputs"].empty()
                                 ? candidate["outputs"][0].get<std::string>()
                                 : "";
  const std::string verdict = candidate.contains("us")
                                  ? fmt::format("{:.1f} us", candidate["us"].get<double>())
                                  : candidate.value("reason", "not measured");
  fmt::print("        {} {:<24} {:<14} {}\n", candidate.contains("chosen") ? "*" : "-",
             candidate["tactic"].get<std::string>(), layout, verdict);
}

void print_layer(size_t index, const json& layer, bool candidates, bool on_host) {
  const auto& nodes = layer["onnx_nodes"];
  std::string origins;
  for (size_t i = 0; i < nodes.size() && i < 3; ++i) {
    origins += (i == 0 ? "" : ", ") + nodes[i].get<std::string>();
  }
  if (nodes.size() > 3) origins += fmt::format(", +{}", nodes.size() - 3);
  const std::string shape = layer["outputs"].empty() ? "" : shape_of(layer["outputs"][0]);
  if (layer.contains("tactic")) {
    if (on_host) origins += origins.empty() ? "on the CPU" : ", on the CPU";
    fmt::print("{:>4}  {:<20} {:<24} {:<13} {:<9} {:>9.1f} us  {:<24} {}\n", index,
               layer["op"].get<std::string>(), layer["tactic"].get<std::string>(),
               layer.value("layout", ""), layer.value("precision", ""), layer.value("us", 0.0),
               shape, origins);
  } else {
    fmt::print("{:>4}  {:<20} {:<24} {}\n", index, layer["op"].get<std::string>(), shape, origins);
  }
  if (!candidates || !layer.contains("candidates")) return;
  for (const json& candidate : layer["candidates"]) print_candidate(candidate);
}

void print_profile(const json& profile, const std::string& title) {
  for (const char* kind : {"profile", "values"}) {
    for (const auto& [name, range] : profile[kind].items()) {
      fmt::print("{}  {}: {}min {}, opt {}, max {}\n", title, name,
                 kind == std::string_view("values") ? "values " : "", extents(range["min"]),
                 extents(range["opt"]), extents(range["max"]));
    }
  }
  if (profile["profile"].empty() && profile["values"].empty()) {
    fmt::print("{}  all shapes are fixed\n", title);
  }
  const json& memory = profile["memory"];
  fmt::print("memory   {} at the opt shapes; all activations together {}\n",
             bytes_text(memory["peak_bytes"].get<uint64_t>()),
             bytes_text(memory["all_activations_bytes"].get<uint64_t>()));
}

void print_layers(const json& facts, int nodes, bool candidates) {
  const int kernels = facts["kernel_count"].get<int>();
  fmt::print("layers   {} kernels from {} ONNX nodes ({:.0f} % fewer)\n", kernels, nodes,
             nodes == 0 ? 0.0 : 100.0 * (nodes - kernels) / nodes);
  const json& layers = facts["layers"];
  // Worth a word where others run elsewhere.
  const bool is_mixed = std::any_of(layers.begin(), layers.end(), [](const json& layer) {
    return layer.value("device", "cpu") != "cpu";
  });
  for (size_t i = 0; i < layers.size(); ++i) {
    print_layer(i, layers[i], candidates, is_mixed && layers[i].value("device", "cpu") == "cpu");
  }
}

}  // namespace

void print_facts(const json& facts, bool candidates) {
  fmt::print("{}: {} '{}'\n", facts["file"].get<std::string>(), facts["kind"].get<std::string>(),
             facts["model"].get<std::string>());
  if (facts.contains("device")) {
    const int contexts = facts.value("concurrent_contexts", 1);
    fmt::print("device   {} (needs {}), tuned for {} threads{}\n",
               facts["device"].get<std::string>(), facts["instruction_set"].get<std::string>(),
               facts["threads"].get<int>(),
               contexts == 1 ? "" : fmt::format(" and {} contexts side by side", contexts));
    fmt::print("file     {}, weights {}\n", bytes_text(facts["file_bytes"].get<uint64_t>()),
               bytes_text(facts["weight_bytes"].get<uint64_t>()));
  }
  print_tensors("input", facts["inputs"]);
  print_tensors("output", facts["outputs"]);
  const int nodes = facts["onnx_node_count"].get<int>();
  if (!facts.contains("profiles")) return print_layers(facts, nodes, candidates);
  const json& profiles = facts["profiles"];
  for (size_t i = 0; i < profiles.size(); ++i) {
    print_profile(profiles[i], profiles.size() == 1 ? "profile" : fmt::format("profile {}", i));
    print_layers(profiles[i], nodes, candidates);
  }
}

}  // namespace penstock::cli
