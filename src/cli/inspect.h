// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <nlohmann/json.hpp>
#include <string>

namespace penstock::cli {

// Facts of a plan: model, device, inputs, outputs, profile, memory at the opt shapes, node counts,
// and each layer with tactic, layouts, precision, ONNX nodes and candidates.
Result<nlohmann::json> inspect_plan(const std::string& path);
// The same of a model after the graph passes; tactics come with a build.
Result<nlohmann::json> inspect_onnx(const std::string& path);

void print_facts(const nlohmann::json& facts, bool candidates);

}  // namespace penstock::cli
