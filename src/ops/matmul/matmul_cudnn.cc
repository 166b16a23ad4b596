// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Matrix products as cuDNN graphs: for epilogues that cuBLASLt does not compute, such as the exact
// GELU, in the product's own kernel.
#include <algorithm>
#include <charconv>

#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/epilogue_cudnn.h"
#include "ops/matmul/flat_matmul.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::NodeFacts;
using backends::Offer;
using backends::cuda::CudnnGraph;
using backends::cuda::CudnnMatMul;

constexpr int kMostEngines = 4;

struct Problem {
  CudnnMatMul graph;
  int residual = -1;
};

Result<Problem> make_problem(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const DataType dtype = node.outputs[0].dtype;
  if (dtype == DataType::kFloat32) return refuse("float32 is rounded to TF32 here");
  for (size_t i = 0; i < std::min<size_t>(3, node.inputs.size()); ++i) {
    if (node.has_input(i) && node.inputs[i].dtype != dtype) {
      return refuse("operands of several types");
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const FlatMatMul flat, flatten_matmul(node));
  if (!flat.batch.empty() || flat.trans_a || flat.alpha != 1.0f || flat.b_is_vector) {
    return refuse("takes one product of rows by one matrix");
  }
  if (flat.m * flat.n * flat.k == 0) return refuse("an empty product");
  Problem problem;
  CudnnMatMul& graph = problem.graph;
  graph.a = {dtype, {1, flat.m, flat.k}, {flat.m * flat.k, flat.a_row, flat.a_column}};
  graph.b = {dtype, {1, flat.k, flat.n}, {flat.k * flat.n, flat.b_row, flat.b_column}};
  graph.y = {dtype, {1, flat.m, flat.n}, {flat.m * flat.n, flat.n, 1}};
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue steps,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  const CudnnFusion fusion = fuse_with_cudnn(node, steps);
  if (!fusion.rest.empty()) return refuse("an epilogue that cuDNN does not fuse");
  graph.epilogue = fusion.inside;
  problem.residual = fusion.residual;
  if (node.has_input(2)) {
    const Shape& bias = node.inputs[2].shape;
    if (bias.empty() || bias.back() != flat.n || element_count(bias) != flat.n) {
      return refuse("a bias that is none of columns");
    }
    graph.epilogue.has_bias = true;
  }
  if (graph.epilogue == backends::cuda::CudnnEpilogue()) {
    return refuse("nothing to fuse: cuBLASLt's case");
  }
  return problem;
}

class MatMulTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cudnn.matmul"; }

  // A form for each engine that the heuristics propose; config is its number.
  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cudnn().empty()) {
      return Offer::refuse(backends::cuda::why_no_cudnn());
    }
    const Result<Problem> problem = make_problem(node);
    if (!problem.is_ok()) return Offer::refuse(problem.status().message());
    const auto graph = CudnnGraph::create(problem->graph);
    if (!graph.is_ok()) return Offer::refuse(graph.status().message());
    Offer offer;
    for (int i = 0; i < std::min(kMostEngines, (*graph)->engine_count()); ++i) {
      offer.forms.push_back(Offer::plain(node, std::to_string(i)).forms.front());
    }
    if (offer.forms.empty()) offer.refusal = "cuDNN proposes no engine";
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    int wanted = 0;
    std::from_chars(node.config.data(), node.config.data() + node.config.size(), wanted);
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudnnGraph> graph,
                              CudnnGraph::prepared(problem.graph, wanted, 4 * kMostEngines));
    return make_cudnn_kernel(std::move(graph), problem.graph.epilogue, problem.residual, {},
                             node.outputs[0].shape);
  }
};

}  // namespace

const backends::Tactic& cudnn_matmul() {
  static const MatMulTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
