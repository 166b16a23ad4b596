// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "accuracy/model.h"

#include "passes/pipeline.h"
#include "quantize/layers.h"

namespace penstock::accuracy {

Result<std::vector<Layer>> free_layers(const Model& model, const BuildOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(
      ir::Graph graph,
      compiler::import_for(
          model, options.profiles.empty() ? std::vector{options.profile} : options.profiles));
  std::vector<Layer> layers;
  bool is_quantized = false;
  passes::PipelineOptions pipeline;
  pipeline.fuse = false;
  pipeline.before_quantize = [&](ir::Graph& simplified) {
    for (const ir::Node& node : simplified.main.nodes) {
      is_quantized |= node.op == "DequantizeLinear";
      if (!quantize::is_quantizable(node) ||
          quantize::asked_precision(node, options.layer_precisions) != DataType::kUndefined) {
        continue;
      }
      layers.push_back({node.name, node.op, quantize::without_views(node.inputs[0])->name,
                        node.outputs[0]->name});
    }
    return Status::ok();
  };
  PENSTOCK_RETURN_IF_ERROR(passes::run_pipeline(graph, pipeline));
  if (is_quantized) {
    return Status(StatusCode::kInvalidArgument,
                  "the model is quantized as it comes: its layers cannot be chosen");
  }
  if (!layers.empty()) return layers;
  return Status(StatusCode::kInvalidArgument,
                "the model has no convolution and no product with constant weights whose precision "
                "is left open: there is nothing to choose");
}

LayerPrecision keep_in_float(const std::string& layer) {
  LayerPrecision rule;
  for (const char c : layer) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') rule.layers += '\\';
    rule.layers += c;
  }
  return rule;
}

}  // namespace penstock::accuracy
