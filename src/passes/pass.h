// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string_view>

#include "ir/graph.h"

namespace penstock::passes {

// One rewrite of the whole graph. It preserves what the graph computes, for all values of its
// symbolic extents; nodes keep the origins of all that went into them, and outputs keep their
// names.
struct Pass {
  std::string_view name;
  Status (*run)(ir::Graph&) = nullptr;
};

// Every pass stands in a file of its name. Simplify: fewer and simpler nodes.
Status infer_shapes(ir::Graph& graph);
Status constant_folding(ir::Graph& graph);
Status shape_folding(ir::Graph& graph);
Status identity_elimination(ir::Graph& graph);
Status dead_code(ir::Graph& graph);
Status common_subexpressions(ir::Graph& graph);
Status batchnorm_folding(ir::Graph& graph);
Status bias_folding(ir::Graph& graph);
Status scale_folding(ir::Graph& graph);
Status pad_folding(ir::Graph& graph);
Status matmul_flattening(ir::Graph& graph);
Status range_folding(ir::Graph& graph);
Status concat_reshapes(ir::Graph& graph);
Status transpose_sinking(ir::Graph& graph);

// Recognise: one node for what exporters write as many.
Status layer_norm(ir::Graph& graph);
Status activations(ir::Graph& graph);
Status softmax(ir::Graph& graph);
Status attention(ir::Graph& graph);
Status attention_layout(ir::Graph& graph);
Status attention_projections(ir::Graph& graph);

// Quantize: products of 8-bit elements, for what models write as floats between QuantizeLinear and
// DequantizeLinear.
Status quantized_movement(ir::Graph& graph);
Status quantized_products(ir::Graph& graph);
Status dynamic_products(ir::Graph& graph);
Status quantized_epilogues(ir::Graph& graph);
Status dequantized_constants(ir::Graph& graph);  // in constant_folding.cc

// Fuse: one kernel for what can run as one.
Status matmul_operands(ir::Graph& graph);
Status epilogues(ir::Graph& graph);
Status residual_norm(ir::Graph& graph);
Status pointwise_regions(ir::Graph& graph);

// Fuse for a GPU, in the precision that it computes in: fewer launches.
Status channel_padding(ir::Graph& graph);
Status embedding_concat(ir::Graph& graph);
Status mlp(ir::Graph& graph);

}  // namespace penstock::passes
