// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/report.h"

#include <nlohmann/json.hpp>

namespace penstock::compiler {
namespace {

using nlohmann::json;

json layouts_of(const std::vector<ir::Layout>& layouts) {
  json array = json::array();
  for (ir::Layout layout : layouts) array.push_back(std::string(ir::to_string(layout)));
  return array;
}

json describe(const tune::Candidate& candidate, bool chosen) {
  json object = {{"tactic", std::string(candidate.tactic->name())}};
  if (!candidate.form.inputs.empty()) object["inputs"] = layouts_of(candidate.form.inputs);
  if (!candidate.form.outputs.empty()) object["outputs"] = layouts_of(candidate.form.outputs);
  if (!candidate.form.config.empty()) object["config"] = candidate.form.config;
  if (candidate.measured && candidate.reason.empty()) object["us"] = candidate.microseconds;
  if (!candidate.reason.empty()) object["reason"] = candidate.reason;
  if (chosen) object["chosen"] = true;
  return object;
}

}  // namespace

std::string profile_report(const Lowered& lowered) {
  json layers = json::array();
  for (const LoweredStep& step : lowered.main_steps) {
    json layer = {{"us", step.microseconds}};
    json candidates = json::array();
    if (step.candidates != nullptr) {
      for (size_t i = 0; i < step.candidates->all.size(); ++i) {
        candidates.push_back(describe(step.candidates->all[i], i == step.chosen));
      }
    }
    layer["candidates"] = std::move(candidates);
    layers.push_back(std::move(layer));
  }
  const json report = {{"layers", std::move(layers)}};
  return report.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string make_report(const ir::Graph& graph, const std::vector<std::string>& profiles,
                        int concurrent_contexts) {
  std::string parts;
  for (const std::string& profile : profiles) parts += (parts.empty() ? "" : ",") + profile;
  return "{\"onnx_nodes\":" + std::to_string(graph.onnx_node_count) +
         ",\"concurrent_contexts\":" + std::to_string(concurrent_contexts) + ",\"profiles\":[" +
         parts + "]}";
}

}  // namespace penstock::compiler
