// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/indexing_cuda.h"

#include <algorithm>
#include <limits>

#include "backends/cuda/cuda_status.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/facts_run.h"
#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;

// Elements that kernels move, and indices that they read.
Status check_operands(const NodeFacts& node) {
  const size_t size = size_of(node.inputs[0].dtype);
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return refuse("moves elements of 1, 2, 4 or 8 bytes");
  }
  const DataType indices = node.inputs[1].dtype;
  if (indices == DataType::kInt64 || indices == DataType::kInt32) return Status::ok();
  return refuse("takes indices of int32 or int64");
}

Result<int64_t> axis_of(const NodeFacts& node, int64_t otherwise, size_t rank) {
  return InferContext::normalize_axis(node.attributes.get_int("axis", otherwise),
                                      static_cast<int64_t>(rank));
}

DeviceIndices indices_of(const KernelRun& run) {
  return {run.input(1).data, run.input(1).dtype == DataType::kInt64};
}

// Output 0 with the elements of input 0, unless they are one.
Result<TensorView> start_from_data(KernelRun& run, const Shape& shape, cudaStream_t stream) {
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  const TensorView& x = run.input(0);
  const auto bytes = static_cast<size_t>(x.count()) * size_of(x.dtype);
  if (bytes != 0 && x.data != y.data) {
    PENSTOCK_RETURN_IF_ERROR(backends::cuda::cuda_status(
        cudaMemcpyAsync(y.data, x.data, bytes, cudaMemcpyDeviceToDevice, stream), "a copy"));
  }
  return y;
}

// Scattering adds to float32. Without a reduction, the last update counts where indices repeat, and
// threads would write in any order.
Status check_scatter(const NodeFacts& node) {
  const std::string reduction = node.attributes.get_string("reduction", "none");
  if (reduction == "none") return refuse("indices may repeat, and the last of them counts");
  if (reduction == "add" && node.inputs[0].dtype == DataType::kFloat32) return Status::ok();
  return refuse("adds float32 only");
}

// --- Gather

Result<GatherArguments> gather_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_operands(node));
  const Shape& x = node.inputs[0].shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node, 0, x.size()));
  GatherArguments a;
  a.outer = element_count(Shape(x.begin(), x.begin() + axis));
  a.extent = x[axis];
  a.inner = element_count(Shape(x.begin() + axis + 1, x.end()));
  a.count = element_count(node.inputs[1].shape);
  return a;
}

Offer offer_gather(const NodeFacts& node) {
  return plain_or_refuse(node, gather_arguments(node).status());
}

Result<CudaLaunch> bind_gather(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const GatherArguments bound, gather_arguments(node));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node, 0, node.inputs[0].shape.size()));
  return make_launch(
      bound, gathered_shape(node.inputs[0].shape, node.inputs[1].shape, axis),
      [size = size_of(node.inputs[0].dtype)](const GatherArguments& a, cudaStream_t stream) {
        launch_gather(a, size, stream);
      },
      [](GatherArguments& a, const KernelRun& run) { a.indices = indices_of(run); });
}

// --- GatherND, ScatterND

Result<TupleArguments> tuple_arguments(const NodeFacts& node, bool scatter) {
  PENSTOCK_RETURN_IF_ERROR(check_operands(node));
  const Shape& data = node.inputs[0].shape;
  const Shape& indices = node.inputs[1].shape;
  const int64_t batch_dims = scatter ? 0 : node.attributes.get_int("batch_dims");
  if (!std::equal(indices.begin(), indices.begin() + batch_dims, data.begin())) {
    return refuse("batch dimensions differ");
  }
  const NdFacts facts = nd_facts(data, indices, batch_dims);
  if (facts.depth > kMaxIndexAxes) return refuse("index tuples of more than eight");
  if (scatter) {
    PENSTOCK_RETURN_IF_ERROR(check_scatter(node));
    if (element_count(node.inputs[2].shape) != facts.tuples * facts.slice) {
      return refuse("updates do not fit the indices");
    }
  }
  TupleArguments a;
  a.batches = facts.batches;
  a.tuples = facts.tuples;
  a.slice = facts.slice;
  a.depth = static_cast<int>(facts.depth);
  std::copy(facts.limits.begin(), facts.limits.end(), a.limits);
  return a;
}

Offer offer_gather_nd(const NodeFacts& node) {
  return plain_or_refuse(node, tuple_arguments(node, false).status());
}

Offer offer_scatter_nd(const NodeFacts& node) {
  return plain_or_refuse(node, tuple_arguments(node, true).status());
}

Result<CudaLaunch> bind_gather_nd(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const TupleArguments bound, tuple_arguments(node, false));
  return make_launch(
      bound, node.outputs[0].shape,
      [size = size_of(node.inputs[0].dtype)](const TupleArguments& a, cudaStream_t stream) {
        launch_gather_nd(a, size, stream);
      },
      [](TupleArguments& a, const KernelRun& run) { a.indices = indices_of(run); });
}

Result<CudaLaunch> bind_scatter_nd(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const TupleArguments bound, tuple_arguments(node, true));
  return CudaLaunch([bound, shape = node.inputs[0].shape](KernelRun& run, cudaStream_t stream) {
    TupleArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, start_from_data(run, shape, stream));
    a.x = run.input(2).data;
    a.indices = indices_of(run);
    a.y = y.data;
    launch_scatter_nd(a, stream);
    return Status::ok();
  });
}

// --- GatherElements, ScatterElements

Result<ElementArguments> element_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_operands(node));
  const Shape& data = node.inputs[0].shape;
  const Shape& indices = node.inputs[1].shape;
  if (data.empty() || data.size() != indices.size()) return refuse("indices of another rank");
  if (data.size() > kMaxIndexAxes) return refuse("more than eight axes");
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node, 0, data.size()));
  const std::vector<int64_t> strides = strides_of(data);
  ElementArguments a;
  a.axes = static_cast<int>(data.size());
  a.axis = static_cast<int>(axis);
  a.limit = data[axis];
  for (size_t d = 0; d < data.size(); ++d) {
    if (static_cast<int64_t>(d) != axis && indices[d] > data[d]) {
      return refuse("indices reach beyond the data");
    }
    a.extents[d] = indices[d];
    a.strides[d] = strides[d];
  }
  return a;
}

Offer offer_gather_elements(const NodeFacts& node) {
  return plain_or_refuse(node, element_arguments(node).status());
}

Offer offer_scatter_elements(const NodeFacts& node) {
  if (const Status status = check_scatter(node); !status.is_ok()) {
    return Offer::refuse(status.message());
  }
  if (node.inputs[1].shape != node.inputs[2].shape) return Offer::refuse("updates do not fit");
  return plain_or_refuse(node, element_arguments(node).status());
}

Result<CudaLaunch> bind_gather_elements(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ElementArguments bound, element_arguments(node));
  return make_launch(
      bound, node.inputs[1].shape,
      [size = size_of(node.inputs[0].dtype)](const ElementArguments& a, cudaStream_t stream) {
        launch_gather_elements(a, size, stream);
      },
      [](ElementArguments& a, const KernelRun& run) { a.indices = indices_of(run); });
}

Result<CudaLaunch> bind_scatter_elements(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ElementArguments bound, element_arguments(node));
  return CudaLaunch([bound, shape = node.inputs[0].shape](KernelRun& run, cudaStream_t stream) {
    ElementArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, start_from_data(run, shape, stream));
    a.x = run.input(2).data;
    a.indices = indices_of(run);
    a.y = y.data;
    launch_scatter_elements(a, stream);
    return Status::ok();
  });
}

// --- OneHot

Result<OneHotArguments> one_hot_arguments(const NodeFacts& node) {
  const DataType indices = node.inputs[0].dtype;
  if (indices != DataType::kInt64 && indices != DataType::kInt32 && indices != DataType::kFloat32) {
    return refuse("takes indices of int32, int64 or float32");
  }
  const size_t size = size_of(node.outputs[0].dtype);
  if (size != 1 && size != 2 && size != 4 && size != 8) return refuse("values of that size");
  if (node.has_input(1)) return refuse("the depth is known at the run only");
  const std::vector<int64_t> depth = node.attributes.get_ints("depth");
  const Shape& shape = node.inputs[0].shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node, -1, shape.size() + 1));
  OneHotArguments a;
  a.index_type = indices;
  a.depth = depth.empty() ? node.attributes.get_int("depth", -1) : depth.front();
  if (a.depth < 0) return refuse("the depth must be a number of 0 or more");
  a.outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  a.inner = element_count(Shape(shape.begin() + axis, shape.end()));
  return a;
}

Offer offer_one_hot(const NodeFacts& node) {
  return plain_or_refuse(node, one_hot_arguments(node).status());
}

Result<CudaLaunch> bind_one_hot(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const OneHotArguments bound, one_hot_arguments(node));
  return CudaLaunch([bound, shape = node.outputs[0].shape, size = size_of(node.outputs[0].dtype)](
                        KernelRun& run, cudaStream_t stream) {
    OneHotArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.indices = run.input(0).data;
    a.off_on = run.input(2).data;
    a.y = y.data;
    launch_one_hot(a, size, stream);
    return Status::ok();
  });
}

// --- TopK

Result<TopKFacts> device_top_k_facts(const NodeFacts& node) {
  if (!has_top_k(node.inputs[0].dtype)) {
    return refuse("orders float32, float16, bfloat16 and int32");
  }
  if (node.has_input(1)) return refuse("k is known at the run only");
  PENSTOCK_ASSIGN_OR_RETURN(TopKFacts facts, top_k_facts(node, FactsRun(node)));
  if (facts.k > kMaxTopK) return refuse("k is above 1024");
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (facts.extent > kMost || facts.outer * facts.inner > kMost) {
    return refuse("more than 2^31 lines, or elements of one");
  }
  return facts;
}

Offer offer_top_k(const NodeFacts& node) {
  return plain_or_refuse(node, device_top_k_facts(node).status());
}

Result<CudaLaunch> bind_top_k(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const TopKFacts facts, device_top_k_facts(node));
  TopKArguments bound;
  bound.outer = facts.outer;
  bound.extent = facts.extent;
  bound.inner = facts.inner;
  bound.k = facts.k;
  bound.largest = node.attributes.get_int("largest", 1) != 0;
  return CudaLaunch([bound, shape = facts.shape](KernelRun& run, cudaStream_t stream) {
    TopKArguments a = bound;
    a.x = run.input(0).data;
    if (run.has_output(0)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView values, run.output(0, shape));
      a.values = values.data;
    }
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView indices, run.output(1, shape));
      a.indices = indices.as<int64_t>();
    }
    launch_top_k(a, run.input(0).dtype, stream);
    return Status::ok();
  });
}

}  // namespace

TacticList indexing_cuda_tactics() {
  static const CudaTactic kGather("cuda.gather", offer_gather, bind_gather);
  static const CudaTactic kGatherNd("cuda.gather_nd", offer_gather_nd, bind_gather_nd);
  static const CudaTactic kScatterNd("cuda.scatter_nd", offer_scatter_nd, bind_scatter_nd,
                                     {.in_place = true});
  static const CudaTactic kGatherElements("cuda.gather_elements", offer_gather_elements,
                                          bind_gather_elements);
  static const CudaTactic kScatterElements("cuda.scatter_elements", offer_scatter_elements,
                                           bind_scatter_elements, {.in_place = true});
  static const CudaTactic kOneHot("cuda.one_hot", offer_one_hot, bind_one_hot);
  static const CudaTactic kTopK("cuda.top_k", offer_top_k, bind_top_k);
  return {{"Gather", &kGather},
          {"GatherND", &kGatherNd},
          {"ScatterND", &kScatterNd},
          {"GatherElements", &kGatherElements},
          {"ScatterElements", &kScatterElements},
          {"OneHot", &kOneHot},
          {"TopK", &kTopK}};
}

}  // namespace penstock::ops
