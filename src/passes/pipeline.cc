// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pipeline.h"

#include <algorithm>

#include "passes/symbols.h"

namespace penstock::passes {
namespace {

// Rounds feed each other: a folded constant makes a shape known, a known shape makes a node an
// identity, and what that leaves behind is often equal to something else.
constexpr Pass kSimplify[] = {
    {"infer_shapes", infer_shapes},                  // what the last round made known
    {"constant_folding", constant_folding},          // all later passes look for constants
    {"shape_folding", shape_folding},                // parameters become attributes
    {"range_folding", range_folding},                // makes identities of masks
    {"identity_elimination", identity_elimination},  // fewer nodes in the way of patterns
    {"concat_reshapes", concat_reshapes},
    {"common_subexpressions", common_subexpressions},  // exporters repeat what they compute
    {"matmul_flattening", matmul_flattening},  // Reshape-MatMul-Reshape hides biases from the next
    {"batchnorm_folding", batchnorm_folding},  // leaves biases and scales to the next two
    {"bias_folding", bias_folding},            // before scales: a scale then reaches the bias too
    {"scale_folding", scale_folding},
    {"pad_folding", pad_folding},
    {"transpose_sinking", transpose_sinking},  // after scales and biases, which see through one
    {"dead_code", dead_code},
};

constexpr Pass kRecognise[] = {
    {"layer_norm", layer_norm},    // before pointwise parts of it look like something else
    {"activations", activations},  // epilogues know them by name
    {"softmax", softmax},          // attention starts from it
    {"attention", attention},
    {"attention_layout", attention_layout},            // takes the Transposes around it
    {"attention_projections", attention_projections},  // one wide product for Q, K and V
    {"identity_elimination", identity_elimination},    // Reshapes that met another
    {"matmul_flattening", matmul_flattening},          // of the Reshape that attention left
    {"constant_folding", constant_folding},            // biases and masks put together
    {"common_subexpressions", common_subexpressions},  // masks, made ready once for all layers
    {"identity_elimination", identity_elimination},    // Reshapes that met another
    {"dead_code", dead_code},
};

constexpr Pass kQuantize[] = {
    {"quantized_movement", quantized_movement},  // brings dequantization to the products
    {"constant_folding", constant_folding},      // of weights that something moved
    {"quantized_products", quantized_products},  //
    {"dynamic_products", dynamic_products},
    {"quantized_movement", quantized_movement},        // brings quantization to their results
    {"quantized_epilogues", quantized_epilogues},      // before others absorb what they share
    {"dequantized_constants", dequantized_constants},  // what no product wanted in 8 bits
    {"dead_code", dead_code},
};

constexpr Pass kFuse[] = {
    {"matmul_operands", matmul_operands},      // before epilogues: a factor is not one
    {"epilogues", epilogues},                  // the largest saving: no extra pass over memory
    {"residual_norm", residual_norm},          // sums that no epilogue took
    {"pointwise_regions", pointwise_regions},  // what is left, in one pass over memory
    {"dead_code", dead_code},
};

// Where launches cost as much as small kernels.
constexpr Pass kFuseForGpu[] = {
    {"channel_padding", channel_padding},    // takes the Cast of the image
    {"embedding_concat", embedding_concat},  // before layers: the first of them makes its own rows
    {"mlp", mlp},
    {"dead_code", dead_code},
};

// In place of the phase quantize, where 8 bits are simulated.
constexpr Pass kSimulate[] = {
    {"dequantized_constants", dequantized_constants},
    {"dead_code", dead_code},
};

constexpr Phase kPhases[] = {
    {"simplify", kSimplify, 6},
    {"recognise", kRecognise, 1},
    {"quantize", kQuantize, 1},
    {"fuse", kFuse, 1},
};

size_t count_nodes(ir::Graph& graph) {
  size_t count = 0;
  ir::for_each_region(graph.main, [&](ir::Region& region) { count += region.nodes.size(); });
  return count;
}

Status run_pass(const Pass& pass, ir::Graph& graph, const PipelineOptions& options) {
  const size_t before = count_nodes(graph);
  PENSTOCK_RETURN_IF_ERROR(pass.run(graph).with_context("pass " + std::string(pass.name)));
  PENSTOCK_RETURN_IF_ERROR(ir::verify(graph).with_context("after pass " + std::string(pass.name)));
  PENSTOCK_RETURN_IF_ERROR(
      check_symbols(graph).with_context("after pass " + std::string(pass.name)));
  if (options.on_pass) options.on_pass(pass.name, before, count_nodes(graph));
  return Status::ok();
}

}  // namespace

std::span<const Phase> phases() { return kPhases; }

Status run_pipeline(ir::Graph& graph, const PipelineOptions& options) {
  const std::vector<std::string> names = pipeline_names();
  if (!options.stop_after.empty() &&
      std::find(names.begin(), names.end(), options.stop_after) == names.end()) {
    std::string message = "no pass or phase '" + options.stop_after + "'; there are";
    for (const std::string& name : names) message += " " + name;
    return {StatusCode::kInvalidArgument, message};
  }
  for (const Phase& phase : kPhases) {
    if (phase.name == "quantize" && options.before_quantize) {
      PENSTOCK_RETURN_IF_ERROR(options.before_quantize(graph));
    }
    if (phase.name == "fuse" && !options.fuse) break;
    if (phase.name == "quantize" && !options.quantize) {
      for (const Pass& pass : kSimulate) PENSTOCK_RETURN_IF_ERROR(run_pass(pass, graph, options));
      continue;
    }
    std::string text = ir::to_text(graph);
    for (int round = 0; round < phase.most_rounds; ++round) {
      for (const Pass& pass : phase.passes) {
        PENSTOCK_RETURN_IF_ERROR(run_pass(pass, graph, options));
        if (pass.name == options.stop_after) return Status::ok();
      }
      std::string changed = ir::to_text(graph);
      if (changed == text) break;
      text = std::move(changed);
    }
    if (phase.name == options.stop_after) break;
  }
  return Status::ok();
}

Status fuse_for_gpu(ir::Graph& graph, const PipelineOptions& options) {
  for (const Pass& pass : kFuseForGpu) PENSTOCK_RETURN_IF_ERROR(run_pass(pass, graph, options));
  return Status::ok();
}

std::vector<std::string> pipeline_names() {
  std::vector<std::string> names;
  for (const Phase& phase : kPhases) {
    names.emplace_back(phase.name);
    for (const Pass& pass : phase.passes) {
      if (std::find(names.begin(), names.end(), pass.name) == names.end()) {
        names.emplace_back(pass.name);
      }
    }
  }
  return names;
}

}  // namespace penstock::passes
