// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/model.h"

#include "compiler/profile.h"

namespace penstock::compiler {

Model model_of(const std::filesystem::path& onnx_path) {
  return {
      [onnx_path](const importer::ChooseShapeInputs& choose) {
        return importer::import_onnx(onnx_path, choose);
      },
      [onnx_path](const BuildOptions& build) { return build_plan_in_memory(onnx_path, build); }};
}

Model model_of(const OnnxBytes& onnx) {
  return {[onnx](const importer::ChooseShapeInputs& choose) {
            return importer::import_onnx_from_memory(onnx.bytes, onnx.folder, choose);
          },
          [onnx](const BuildOptions& build) { return build_plan_in_memory(onnx, build); }};
}

Result<ir::Graph> import_for(const Model& model, const std::vector<OptimizationProfile>& profiles) {
  return model.import([&](const ir::Graph& inputs) -> Result<std::vector<ir::Value*>> {
    std::vector<OptimizationProfile> complete;
    for (const OptimizationProfile& asked : profiles) {
      PENSTOCK_ASSIGN_OR_RETURN(OptimizationProfile profile, complete_profile(inputs, asked));
      complete.push_back(std::move(profile));
    }
    return planned_inputs(inputs, complete);
  });
}

}  // namespace penstock::compiler
