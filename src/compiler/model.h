// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>

#include <filesystem>
#include <functional>
#include <vector>

#include "import/import.h"

namespace penstock::compiler {

// A model in a file or in memory: what can be imported, and built again and again.
struct Model {
  std::function<Result<ir::Graph>(const importer::ChooseShapeInputs&)> import;
  std::function<Result<BuiltPlan>(const BuildOptions&)> build;
};

Model model_of(const std::filesystem::path& onnx_path);
Model model_of(const OnnxBytes& onnx);  // whose bytes must live as long

// The graph, with the values of shape inputs planned as a build for these profiles plans them.
Result<ir::Graph> import_for(const Model& model, const std::vector<OptimizationProfile>& profiles);

}  // namespace penstock::compiler
