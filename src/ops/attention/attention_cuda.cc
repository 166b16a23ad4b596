// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/attention_cuda.h"

#include <algorithm>
#include <charconv>

#include "backends/cuda/cuda_stream.h"
#include "backends/cuda/cudnn_graph.h"
#include "ops/attention/attention.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;
using backends::cuda::CudnnAttention;
using backends::cuda::CudnnGraph;
using backends::cuda::CudnnRole;
using backends::cuda::CudnnTensor;

constexpr int kMostEngines = 3;

Result<AttentionShape> shape_of(const NodeFacts& node) {
  return attention_shape(node.attributes, node.inputs[0].shape, node.inputs[1].shape,
                         node.inputs[2].shape, node.has_input(3) ? &node.inputs[3].shape : nullptr);
}

CudaAttentionRows rows_of(const AttentionShape::Rows& rows) {
  return {rows.batch_stride, rows.head_stride, rows.row_stride};
}

bool is_mask_type(DataType type) {
  return type == DataType::kBool || type == DataType::kFloat32 || type == DataType::kFloat16 ||
         type == DataType::kBFloat16;
}

CudaAttentionArguments arguments_of(const NodeFacts& node, const AttentionShape& shape) {
  CudaAttentionArguments a;
  a.q_rows = rows_of(shape.q);
  a.k_rows = rows_of(shape.k);
  a.v_rows = rows_of(shape.v);
  a.out_rows = rows_of(shape.out);
  std::copy(shape.mask.begin(), shape.mask.end(), a.mask_strides);
  a.mask_batches = shape.mask_batches;
  a.batch = static_cast<int>(shape.batch);
  a.heads = static_cast<int>(shape.heads);
  a.queries = static_cast<int>(shape.queries);
  a.keys = static_cast<int>(shape.keys);
  a.head_size = static_cast<int>(shape.head_size);
  a.value_size = static_cast<int>(shape.value_size);
  a.scale = static_cast<float>(shape.scale);
  a.causal = shape.causal;
  a.nan_to_zero = shape.nan_to_zero;
  a.dtype = node.inputs[0].dtype;
  if (node.has_input(3)) a.mask_dtype = node.inputs[3].dtype;
  return a;
}

// Addresses of one run. Operands may begin in the middle of a packed product.
CudaAttentionArguments placed(CudaAttentionArguments a, const AttentionShape& shape, KernelRun& run,
                              void* out) {
  const auto size = static_cast<int64_t>(size_of(a.dtype));
  a.q = run.input(0).as<const std::byte>() + shape.q.first * size;
  a.k = run.input(1).as<const std::byte>() + shape.k.first * size;
  a.v = run.input(2).as<const std::byte>() + shape.v.first * size;
  a.mask = run.has_input(3) ? run.input(3).data : nullptr;
  a.out = out;
  return a;
}

Status check_attention(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  if (node.has_input(3) && !is_mask_type(node.inputs[3].dtype)) {
    return refuse("a mask of another type");
  }
  PENSTOCK_ASSIGN_OR_RETURN(const AttentionShape shape, shape_of(node));
  if (std::max(shape.head_size, shape.value_size) > kCudaAttentionLargestHead) {
    return refuse("heads of more than " + std::to_string(kCudaAttentionLargestHead) + " elements");
  }
  if (shape.batch > 65535 || shape.heads > 65535) {
    return refuse("more heads or batch items than a grid");
  }
  return Status::ok();
}

// Form::config of the kernel on the tensor cores.
constexpr std::pair<std::string_view, AttentionVariant> kVariants[] = {
    {"queries", AttentionVariant::kQueries},
    {"many_queries", AttentionVariant::kManyQueries},
    {"few_queries", AttentionVariant::kFewQueries},
};

template <typename Launch>
Result<CudaLaunch> bind_with(const NodeFacts& node, Launch launch) {
  PENSTOCK_ASSIGN_OR_RETURN(const AttentionShape shape, shape_of(node));
  const CudaAttentionArguments arguments = arguments_of(node, shape);
  return CudaLaunch([shape, arguments, launch](KernelRun& run, cudaStream_t stream) -> Status {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, shape.out_shape));
    if (element_count(shape.out_shape) == 0) return Status::ok();
    launch(placed(arguments, shape, run, out.data), stream);
    return Status::ok();
  });
}

Result<CudaLaunch> bind_attention(const NodeFacts& node) {
  return bind_with(node, launch_attention);
}

Result<CudaLaunch> bind_attention_mma(const NodeFacts& node) {
  AttentionVariant variant = AttentionVariant::kQueries;
  for (const auto& [name, known] : kVariants) {
    if (name == node.config) variant = known;
  }
  return bind_with(node, [variant](const CudaAttentionArguments& a, cudaStream_t stream) {
    launch_attention_mma(a, variant, stream);
  });
}

Offer offer_attention(const NodeFacts& node) {
  return plain_or_refuse(node, check_attention(node));
}

Offer offer_attention_mma(const NodeFacts& node) {
  if (const Status status = check_attention(node); !status.is_ok()) {
    return Offer::refuse(status.message());
  }
  const Result<AttentionShape> shape = shape_of(node);
  const bool is_aligned =
      shape->q.first % 8 == 0 && shape->k.first % 8 == 0 && shape->v.first % 8 == 0;
  if (!is_aligned || !takes_attention_mma(arguments_of(node, *shape))) {
    return Offer::refuse("takes 16-bit floats, heads of 32, 64 or 128 elements, aligned rows");
  }
  Offer offer;
  for (const auto& [name, variant] : kVariants) {
    offer.forms.push_back(Offer::plain(node, std::string(name)).forms.front());
  }
  return offer;
}

CudnnTensor describe(DataType dtype, const AttentionShape& shape, const AttentionShape::Rows& rows,
                     int64_t row_count, int64_t size) {
  return {dtype,
          {shape.batch, shape.heads, row_count, size},
          {rows.batch_stride, rows.head_stride, rows.row_stride, 1}};
}

Result<CudnnAttention> cudnn_problem(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_attention(node));
  const DataType dtype = node.inputs[0].dtype;
  if (dtype == DataType::kFloat32) return refuse("takes 16-bit floats");
  PENSTOCK_ASSIGN_OR_RETURN(const AttentionShape shape, shape_of(node));
  if (element_count(shape.out_shape) == 0 || shape.keys == 0) {
    return refuse("an empty attention");
  }
  if (shape.nan_to_zero) return refuse("rows without keys must give 0");
  CudnnAttention problem;
  problem.q = describe(dtype, shape, shape.q, shape.queries, shape.head_size);
  problem.k = describe(dtype, shape, shape.k, shape.keys, shape.head_size);
  problem.v = describe(dtype, shape, shape.v, shape.keys, shape.value_size);
  problem.out = describe(dtype, shape, shape.out, shape.queries, shape.value_size);
  problem.scale = static_cast<float>(shape.scale);
  problem.causal = shape.causal;
  if (!node.has_input(3)) return problem;
  const Shape& mask = node.inputs[3].shape;
  const bool is_whole = mask.size() == 4 && (mask[2] == shape.queries || mask[2] == 1) &&
                        mask[3] == shape.keys && (mask[0] == 1 || mask[0] == shape.batch);
  if (node.inputs[3].dtype != dtype || !is_whole) {
    return refuse("a mask of another type, or one that repeats");
  }
  problem.has_mask = true;
  problem.mask = {dtype,
                  {mask[0], mask[1], shape.queries, mask[3]},
                  {mask[1] * mask[2] * mask[3], mask[2] * mask[3], mask[2] == 1 ? 0 : mask[3], 1}};
  return problem;
}

class CudnnAttentionTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cudnn.attention"; }

  Offer offer(const NodeFacts& node) const override {
    const Result<CudnnAttention> problem = cudnn_problem(node);
    if (!problem.is_ok()) return Offer::refuse(problem.status().message());
    const auto graph = CudnnGraph::create(*problem);
    if (!graph.is_ok()) return Offer::refuse(graph.status().message());
    Offer offer;
    for (int i = 0; i < std::min(kMostEngines, (*graph)->engine_count()); ++i) {
      offer.forms.push_back(Offer::plain(node, std::to_string(i)).forms.front());
    }
    if (offer.forms.empty()) offer.refusal = "cuDNN proposes no engine";
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const CudnnAttention problem, cudnn_problem(node));
    int engine = 0;
    std::from_chars(node.config.data(), node.config.data() + node.config.size(), engine);
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudnnGraph> made,
                              CudnnGraph::prepared(problem, engine, kMostEngines));
    const std::shared_ptr<CudnnGraph> graph = std::move(made);
    PENSTOCK_ASSIGN_OR_RETURN(const AttentionShape shape, shape_of(node));
    const CudaAttentionArguments arguments = arguments_of(node, shape);
    const auto launch = [graph, shape, arguments](KernelRun& run, cudaStream_t stream) -> Status {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, shape.out_shape));
      const CudaAttentionArguments a = placed(arguments, shape, run, out.data);
      std::vector<std::pair<CudnnRole, void*>> tensors = {{CudnnRole::kQ, const_cast<void*>(a.q)},
                                                          {CudnnRole::kK, const_cast<void*>(a.k)},
                                                          {CudnnRole::kV, const_cast<void*>(a.v)},
                                                          {CudnnRole::kOut, a.out}};
      if (a.mask != nullptr) tensors.emplace_back(CudnnRole::kMask, const_cast<void*>(a.mask));
      return graph->run(tensors, run.workspace(), stream);
    };
    return make_cuda_kernel("cudnn.attention", launch, graph->workspace_bytes());
  }
};

}  // namespace

const backends::Tactic& cudnn_attention() {
  static const CudnnAttentionTactic kTactic;
  return kTactic;
}

TacticList attention_cuda_tactics() {
  static const CudaTactic kTensorCores("cuda.attention_mma", offer_attention_mma,
                                       bind_attention_mma);
  static const CudaTactic kTactic("cuda.attention", offer_attention, bind_attention);
  return {{"Attention", &kTensorCores}, {"Attention", &kTactic}};
}

}  // namespace penstock::ops
